use proptest::prelude::*;

use super::*;

fn bytes(value: &(impl CacheKey + ?Sized)) -> Vec<u8> {
    let mut key = KeyWriter::new();
    value.write(&mut key);
    assert!(!key.is_refused());
    key.bytes().to_vec()
}
