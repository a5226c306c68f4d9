// The build script of msquic-src does the work; see Cargo.toml.
