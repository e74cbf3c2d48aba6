//! A hash of text that is the same in every process and build, so a statement keeps its id across restarts.

const FOLD: u64 = 0x9e37_79b9_7f4a_7c15;
const SEED: u64 = 0x2545_f491_4f6c_dd1d;

/// Hashes `bytes`; not keyed, so never a defence against chosen input.
pub(super) fn stable(bytes: &[u8]) -> u64 {
    let mut hash = SEED ^ (bytes.len() as u64);
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        hash = mix(hash, word(chunk));
    }
    hash = mix(hash, word(chunks.remainder()));
    // A second round, so that the last word reaches every bit.
    mix(hash, SEED)
}

fn word(chunk: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (to, from) in bytes.iter_mut().zip(chunk) {
        *to = *from;
    }
    u64::from_le_bytes(bytes)
}

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word).wrapping_mul(u128::from(FOLD) | (u128::from(hash) << 64));
    let wide = product ^ u128::from(hash.rotate_left(23));
    (wide as u64) ^ ((wide >> 64) as u64).wrapping_add(FOLD)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_never_changes_between_builds() {
        assert_eq!(stable(b""), stable(b""));
        assert_ne!(stable(b"SELECT 1"), stable(b"SELECT 2"));
        assert_ne!(stable(b"a"), stable(b"a\0"));
    }

    #[test]
    fn every_single_bit_matters() {
        let text = b"SELECT id FROM documents WHERE workspace_id = ?";
        let base = stable(text);
        for byte in 0..text.len() {
            for bit in 0..8 {
                let mut other = text.to_vec();
                other[byte] ^= 1 << bit;
                assert_ne!(stable(&other), base, "byte {byte}, bit {bit}");
            }
        }
    }
}
