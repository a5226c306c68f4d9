//! Bytes that are worth comparing, and what compares them.

use bytes::Bytes;
use ring::digest::{Context, SHA256};

const CHUNK_BYTES: usize = 64 * 1024;

/// The chunks of `bytes` bytes; another `seed` gives others.
pub fn chunks(seed: usize, bytes: usize) -> impl Iterator<Item = Bytes> {
    (0..bytes.div_ceil(CHUNK_BYTES)).map(move |index| {
        let size = CHUNK_BYTES.min(bytes - index * CHUNK_BYTES);
        Bytes::from_iter((0..size).map(|at| mixed(seed, index * CHUNK_BYTES + at)))
    })
}

/// One byte that depends on where it is, so that a swapped, lost or doubled chunk is noticed.
fn mixed(seed: usize, at: usize) -> u8 {
    let word = ((seed << 40) ^ at) as u64;
    (word.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8
}

/// Counts and hashes what passes.
pub struct Tally {
    hash: Context,
    pub bytes: usize,
}

impl Tally {
    pub fn new() -> Self {
        Self { hash: Context::new(&SHA256), bytes: 0 }
    }

    pub fn add(&mut self, chunk: &[u8]) {
        self.hash.update(chunk);
        self.bytes += chunk.len();
    }

    /// The SHA-256 in hexadecimal.
    pub fn sha256(self) -> String {
        self.hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
