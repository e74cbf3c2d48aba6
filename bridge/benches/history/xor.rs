//! The size of a series in Gorilla's way, for comparison: each value is the XOR with the one before.
//!
//! As in the paper, a bit for the same value, else a bit for whether the bits that differ lie within the last ones, else
//! 5 bits of leading zeros and 6 of length. Its time stamps at equal steps are a bit each. Where nothing was seen there
//! is neither.

/// The bits that the samples take.
pub(crate) fn bits(samples: &[Option<f64>]) -> u64 {
    let mut bits = 64;
    let mut last = 0u64;
    let mut window = None;
    for value in samples.iter().flatten() {
        bits += 1;
        let differ = value.to_bits() ^ last;
        last = value.to_bits();
        bits += 1;
        if differ == 0 {
            continue;
        }
        let (leading, trailing) = (differ.leading_zeros().min(31), differ.trailing_zeros());
        bits += 1;
        match window {
            Some((high, low)) if leading >= high && trailing >= low => bits += length(high, low),
            _ => {
                bits += 5 + 6 + length(leading, trailing);
                window = Some((leading, trailing));
            }
        }
    }
    bits
}

fn length(leading: u32, trailing: u32) -> u64 {
    u64::from(64 - leading - trailing)
}
