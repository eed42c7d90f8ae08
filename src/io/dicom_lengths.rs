//! Whether a DICOM data set's elements lie within its file (PS3.5, 7.1 and 7.5): the parser takes memory for a value before it
//! looks whether there is one.

use dicom_core::{
    Tag, VR,
    dictionary::{DataDictionary, DataDictionaryEntry, VirtualVr},
};
use dicom_dictionary_std::{StandardDataDictionary, tags, uids};

const UNDEFINED: u32 = u32::MAX;
const ITEM: Tag = Tag(0xfffe, 0xe000);
const END_OF_SEQUENCE: Tag = Tag(0xfffe, 0xe0dd);

/// Walks through all elements, in sequences too; `true` where each is followed by as many bytes as it says. Folded data sets
/// are left to the parser.
pub(super) fn lie_within(data: &[u8], syntax: &str) -> bool {
    if syntax == uids::DEFLATED_EXPLICIT_VR_LITTLE_ENDIAN {
        return true;
    }
    let explicit = syntax != uids::IMPLICIT_VR_LITTLE_ENDIAN;
    let big = syntax == "1.2.840.10008.1.2.2";
    let word = |at: usize| -> Option<u16> {
        let bytes = data.get(at..at + 2)?.try_into().ok()?;
        Some(if big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    };
    let long = |at: usize| -> Option<u32> {
        let bytes = data.get(at..at + 4)?.try_into().ok()?;
        Some(if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    };
    let mut at = 0;
    let mut fragments = false;
    while let (Some(group), Some(element)) = (word(at), word(at + 2)) {
        let tag = Tag(group, element);
        // A kind that is none counts as unknown, whose length is long.
        let kind = data.get(at + 4..at + 6).and_then(|kind| VR::from_binary([kind[0], kind[1]])).unwrap_or(VR::UN);
        let (length, value, sequence, unknown) = if group == 0xfffe || !explicit {
            let entry = StandardDataDictionary.by_tag(tag);
            let sequence = entry.is_some_and(|entry| matches!(entry.vr(), VirtualVr::Exact(VR::SQ)));
            (long(at + 4), at + 8, sequence, false)
        } else if matches!(
            kind,
            VR::OB
                | VR::OD
                | VR::OF
                | VR::OL
                | VR::OV
                | VR::OW
                | VR::SQ
                | VR::SV
                | VR::UC
                | VR::UN
                | VR::UR
                | VR::UT
                | VR::UV
        ) {
            (long(at + 8), at + 12, kind == VR::SQ, kind == VR::UN)
        } else {
            (word(at + 6).map(u32::from), at + 8, false, false)
        };
        let Some(length) = length else { return data.len() - at < 12 };
        if length != UNDEFINED && data.len() - value.min(data.len()) < length as usize {
            return false;
        }
        // Elements of an unknown kind and length are written otherwise; there the walk ends.
        if unknown && length == UNDEFINED {
            return true;
        }
        fragments = match tag {
            tags::PIXEL_DATA => length == UNDEFINED,
            END_OF_SEQUENCE => false,
            _ => fragments,
        };
        let inside = group == 0xfffe && !(tag == ITEM && fragments) || sequence || length == UNDEFINED;
        at = if inside { value } else { value + length as usize };
    }
    true
}
