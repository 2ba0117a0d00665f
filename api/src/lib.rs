//! How others talk to Dorado: HTTP routes, OpenAPI, limits.
