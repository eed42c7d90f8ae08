//! DICOM's elements as numbers and texts (PS3.5, 6.2). What is there and cannot be understood is refused by its tag's name;
//! what it holds is never repeated.

use dicom_core::{Tag, dictionary::DataDictionary, dictionary::DataDictionaryEntry, header::HasLength};
use dicom_dictionary_std::{StandardDataDictionary, tags};
use dicom_object::{InMemDicomObject, mem::InMemElement};

use super::place::Place;
use crate::error::Result;

/// The element `tag` that holds something: the object's own, or that of its functional groups (PS3.3, C.7.6.16), where enhanced
/// images keep what belongs to a frame.
fn element(object: &InMemDicomObject, tag: Tag) -> Option<&InMemElement> {
    if let Some(own) = object.element_opt(tag).ok()? {
        return Some(own).filter(|element| !element.is_empty());
    }
    [tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE, tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE].iter().find_map(|groups| {
        let frame = object.element_opt(*groups).ok()??.items()?.first()?;
        let mut inner = frame.iter().filter_map(|group| group.items()?.first());
        inner.find_map(|group| group.element_opt(tag).ok()?.filter(|element| !element.is_empty()))
    })
}

/// All numbers of an element, `None` without it.
fn list(place: &Place, object: &InMemDicomObject, tag: Tag) -> Result<Option<Vec<f64>>> {
    let Some(element) = element(object, tag) else { return Ok(None) };
    let plain = element.to_multi_float64().ok();
    let trimmed = || {
        let text = element.to_str().ok()?;
        text.split('\\').map(|part| part.trim_matches([' ', '\0']).parse().ok()).collect()
    };
    let numbers: Option<Vec<f64>> = plain.or_else(trimmed);
    let finite = numbers.filter(|list| !list.is_empty() && list.iter().all(|value| value.is_finite()));
    finite.map(Some).ok_or_else(|| place.error(format!("its {} is not a number", name(tag))))
}

/// The first number of an element.
pub(super) fn number(place: &Place, object: &InMemDicomObject, tag: Tag) -> Result<Option<f64>> {
    Ok(list(place, object, tag)?.map(|list| list[0]))
}

/// The `N` numbers of an element; another count is refused.
pub(super) fn numbers<const N: usize>(place: &Place, object: &InMemDicomObject, tag: Tag) -> Result<Option<[f64; N]>> {
    let Some(list) = list(place, object, tag)? else { return Ok(None) };
    let odd = |list: Vec<f64>| place.error(format!("its {} has {} numbers instead of {N}", name(tag), list.len()));
    list.try_into().map(Some).map_err(odd)
}

fn name(tag: Tag) -> &'static str {
    StandardDataDictionary.by_tag(tag).map_or("element", |entry| entry.alias())
}

/// The text of an element.
pub(super) fn text(object: &InMemDicomObject, tag: Tag) -> Option<String> {
    Some(element(object, tag)?.to_str().ok()?.trim_end_matches([' ', '\0']).to_string())
}
