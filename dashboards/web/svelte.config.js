/** Short names for what is scoped: the page is counted in bytes. */
export default { compilerOptions: { runes: true, discloseVersion: false, cssHash: ({ hash, css }) => `s${hash(css).slice(0, 4)}` } };
