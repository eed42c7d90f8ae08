//! A short name for a text: FNV-1a in 64 bits (G. Fowler, L. C. Noll, K.-P. Vo, IETF draft-eastlake-fnv).

/// The digest of `text`, the same on every machine.
pub fn digest(text: &str) -> u64 {
    digest_bytes(text.bytes())
}

/// The digest of `bytes`.
pub fn digest_bytes(bytes: impl Iterator<Item = u8>) -> u64 {
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_the_published_ones() {
        // The draft's test vectors.
        assert_eq!(digest(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(digest("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(digest("foobar"), 0x8594_4171_f739_67e8);
    }
}
