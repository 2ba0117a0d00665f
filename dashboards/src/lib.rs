//! What people see: the embedded page and its panels as data.
