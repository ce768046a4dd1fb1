//! What waits to be published: thousands of summaries at once at the end of a window, most of whose text is the same.
//! Long ones are packed from the moment in which they are made until they are sent; nobody else may see that.

use bytes::Bytes;

/// A payload of so many bytes is packed where that makes it smaller.
const PACK_BYTES_MIN: usize = 1_024;

/// A payload, packed where that pays.
#[derive(Clone)]
pub struct Payload {
    bytes: Bytes,
    /// What it was packed after, where it is packed.
    pattern: Option<Bytes>,
}

/// What payloads that are made one after the other are packed after: the first of them.
#[derive(Clone, Debug, Default)]
pub struct Pattern(Option<Bytes>);

impl Pattern {
    /// A payload that is packed after the first one that was made like this.
    pub fn payload(&mut self, bytes: Vec<u8>) -> Payload {
        if bytes.len() < PACK_BYTES_MIN {
            return bytes.into();
        }
        let pattern = self.0.get_or_insert_with(|| Bytes::copy_from_slice(&bytes));
        let mut packed = lz4_flex::block::compress_prepend_size_with_dict(&bytes, pattern);
        if packed.len() >= bytes.len() {
            return bytes.into();
        }
        packed.shrink_to_fit();
        Payload { bytes: packed.into(), pattern: Some(pattern.clone()) }
    }
}

impl Payload {
    /// Nothing: what clears a retained topic.
    pub const EMPTY: Self = Self { bytes: Bytes::new(), pattern: None };

    /// The bytes as they are to be sent.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        match &self.pattern {
            Some(pattern) => {
                let bytes = lz4_flex::block::decompress_size_prepended_with_dict(&self.bytes, pattern);
                bytes.expect("packed by us, and never left memory").into()
            }
            None => self.bytes.clone(),
        }
    }

    /// Bytes that it takes while it waits, its pattern aside.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), pattern: None }
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Payload {}

impl std::fmt::Debug for Payload {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.bytes().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_payloads_wait_packed_and_leave_as_they_came() {
        let mut pattern = Pattern::default();
        for number in 0..3 {
            let text: String =
                (0..500).map(|at| format!(r#"{{"indicator":"{at}","value":{number},"reason":null}},"#)).collect();
            let payload = pattern.payload(text.clone().into_bytes());
            assert!(payload.size_bytes() < text.len() / 4, "{} bytes wait", payload.size_bytes());
            assert_eq!(payload.bytes(), text.as_bytes());
        }
    }

    #[test]
    fn what_is_short_or_has_no_pattern_stays_as_it_is() {
        let mut noise = vec![1_u8];
        while noise.len() < 2_000 {
            let mixed =
                noise.iter().rev().take(7).fold(noise.len() as u64, |mixed, &byte| {
                    (mixed ^ u64::from(byte)).wrapping_mul(0x9E37_79B9_7F4A_7C15)
                });
            noise.push((mixed >> 56) as u8);
        }
        for bytes in [b"short".to_vec(), noise] {
            let payload = Pattern(Some(Bytes::from_static(b"another"))).payload(bytes.clone());
            assert!(payload.size_bytes() == bytes.len() && payload.bytes() == bytes, "{} bytes", bytes.len());
        }
        assert_eq!(Payload::EMPTY, Payload::from(Vec::new()));
    }
}
