//! Where exceptions go: tags, and the calls in text that have handlers.
//!
//! ```text
//!   CallSites, ascending                    Handlers, grouped by function
//!   +----------------+-------+---------+    +----------+------+-----------+
//!   | return address | frame | first,  | -> | function | tag  | code      |  tried in this order
//!   | in text        |       | count   |    |          |      |           |
//!   +----------------+-------+---------+    +----------+------+-----------+
//! ```
//!
//! A handler runs in the frame of the function that made the call: with the frame pointer that it had then, and the stack
//! pointer [`CallSite::frame`] bytes below. It finds nothing in registers and is given nothing: which exception it has been entered
//! for is the runtime's to say.
//!
//! Invariant: the handlers of a call lie in the function that calls.

use super::records::CodeKind;
use super::{Image, ImageError, NONE, Section, records};
use crate::record;

record! {
    /// A tag.
    pub struct Tag {
        /// Index of its type in [`Section::FunctionTypes`]: the parameters are what an exception carries.
        pub function_type: u32,
        /// [`records::FLAG_IMPORTED`].
        pub flags: u32,
    }
}

record! {
    /// A call that has handlers.
    pub struct CallSite {
        /// Text offset of the instruction behind the call.
        pub text: u32,
        /// How far below the frame pointer the stack pointer is there: a multiple of 16.
        pub frame: u32,
        /// Its first handler in [`Section::Handlers`].
        pub first: u32,
        /// How many it has: at least one.
        pub count: u32,
    }
}

record! {
    /// A handler.
    pub struct Handler {
        /// The function that it is in. Handlers are grouped by it, ascending.
        pub function: u32,
        /// The tag that it catches, or [`NONE`]: every one.
        pub tag: u32,
        /// Text offset of its code.
        pub code: u32,
    }
}

/// No function has a frame as large as this.
const MAX_FRAME: u32 = 1 << 30;

impl Image<'_> {
    /// The handlers of the call that returns to this text offset, innermost first.
    pub fn handlers_at(
        &self,
        text: u32,
    ) -> Option<(CallSite, impl Iterator<Item = Handler> + use<'_>)> {
        let sites = self.call_sites();
        let site = sites.get(sites.partition_point(|site| site.text < text))?;
        let handlers = self.handlers();
        let indices = site.first..site.first.saturating_add(site.count);
        (site.text == text).then(|| {
            let found = indices.map_while(move |index| handlers.get(index as usize));
            (site, found)
        })
    }
}

fn refuse(
    section: Section,
    index: usize,
    field: &'static str,
    found: u32,
) -> Result<(), ImageError> {
    Err(ImageError::Record {
        section,
        index,
        field,
        found: u64::from(found),
    })
}

/// That tags are sound.
pub(super) fn check_tags(image: &Image<'_>) -> Result<(), ImageError> {
    let types = image.function_types();
    for (index, tag) in image.tags().iter().enumerate() {
        let results = types
            .get(tag.function_type as usize)
            .map(|kind| kind.results);
        if results != Some(0) {
            return refuse(Section::Tags, index, "the type", tag.function_type);
        }
    }
    Ok(())
}

/// That calls and handlers are sound.
pub(super) fn check_calls(image: &Image<'_>) -> Result<(), ImageError> {
    let (functions, tags) = (image.functions(), image.tags().len());
    let mut previous = 0;
    for (index, handler) in image.handlers().iter().enumerate() {
        let code = functions
            .get(handler.function as usize)
            .map_or(0..0, |function| code_of(&function));
        if handler.function < previous || !code.contains(&u64::from(handler.code)) {
            return refuse(Section::Handlers, index, "the code's place", handler.code);
        }
        if handler.tag != NONE && handler.tag as usize >= tags {
            return refuse(Section::Handlers, index, "the tag", handler.tag);
        }
        previous = handler.function;
    }
    let mut previous = None;
    for (index, site) in image.call_sites().iter().enumerate() {
        if previous.is_some_and(|before| before >= site.text) {
            return refuse(Section::CallSites, index, "the order", site.text);
        }
        if !site.frame.is_multiple_of(16) || site.frame > MAX_FRAME {
            return refuse(Section::CallSites, index, "the frame", site.frame);
        }
        if !has_handlers_of_its_own(image, &site) {
            return refuse(Section::CallSites, index, "the handlers", site.first);
        }
        previous = Some(site.text);
    }
    Ok(())
}

fn code_of(function: &records::Function) -> std::ops::Range<u64> {
    if function.code == NONE {
        return 0..0;
    }
    let start = u64::from(function.code);
    start..start + u64::from(function.code_bytes)
}

/// That the first and the last handler, and so all of them, are of the function that calls.
fn has_handlers_of_its_own(image: &Image<'_>, site: &CallSite) -> bool {
    let caller = site
        .text
        .checked_sub(1)
        .and_then(|call| image.code_at(call));
    let caller = caller.filter(|range| range.kind == CodeKind::Function as u32);
    let last = site
        .first
        .checked_add(site.count)
        .and_then(|end| end.checked_sub(1));
    let function = |index: Option<u32>| Some(image.handlers().get(index? as usize)?.function);
    let caller = caller.map(|range| range.index);
    site.count > 0
        && caller.is_some()
        && function(Some(site.first)) == caller
        && function(last) == caller
}
