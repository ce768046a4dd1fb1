//! What waits to be published: thousands of summaries at once at the end of a window, most of whose text is the same.
//! Long ones are packed from the moment in which they are made until they are sent; nobody else may see that.

use bytes::Bytes;

/// A payload of so many bytes is packed where that makes it smaller.
const PACK_BYTES_MIN: usize = 1_024;

/// A payload, packed where that pays.
#[derive(Clone, PartialEq, Eq)]
pub struct Payload {
    bytes: Bytes,
    packed: bool,
}

impl Payload {
    /// Nothing: what clears a retained topic.
    pub const EMPTY: Self = Self { bytes: Bytes::new(), packed: false };

    /// The bytes as they are to be sent.
    #[must_use]
    pub fn bytes(&self) -> Bytes {
        if self.packed {
            let bytes = lz4_flex::decompress_size_prepended(&self.bytes);
            bytes.expect("packed by us, and never left memory").into()
        } else {
            self.bytes.clone()
        }
    }

    /// Bytes that it takes while it waits.
    #[must_use]
    pub fn size_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl From<Vec<u8>> for Payload {
    fn from(bytes: Vec<u8>) -> Self {
        if bytes.len() >= PACK_BYTES_MIN {
            let mut packed = lz4_flex::compress_prepend_size(&bytes);
            if packed.len() < bytes.len() {
                packed.shrink_to_fit();
                return Self { bytes: packed.into(), packed: true };
            }
        }
        Self { bytes: bytes.into(), packed: false }
    }
}

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
        let text = r#"{"value":null,"reason":"no data"},"#.repeat(500);
        let payload = Payload::from(text.clone().into_bytes());
        assert!(payload.size_bytes() < text.len() / 10, "{} bytes wait", payload.size_bytes());
        assert_eq!(payload.bytes(), text.as_bytes());
    }

    #[test]
    fn what_is_short_or_has_no_pattern_stays_as_it_is() {
        let noise: Vec<u8> = (0..2_000_u32).map(|at| crc32fast::hash(&at.to_le_bytes()) as u8).collect();
        for bytes in [b"short".to_vec(), noise] {
            let payload = Payload::from(bytes.clone());
            assert!(payload.size_bytes() == bytes.len() && payload.bytes() == bytes, "{} bytes", bytes.len());
        }
        assert_eq!(Payload::EMPTY, Payload::from(Vec::new()));
    }
}
