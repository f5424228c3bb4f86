//! Resolving imported tags of exceptions: the host's, or another instance's.
//!
//! A tag is imported when the types that its exceptions carry are the same. References to functions and exceptions mean nothing outside
//! of their instance, so tags of other instances that carry some are refused.
//!
//! Throwing and catching is in `exception`.

use super::link::Resolver;
use super::signature;
use crate::error::{Result, Status, error};
use crate::exception::ImportedTag;
use crate::linker::Definition;
use crate::linking::{Offer, Offered, add};
use lucet_format::image::records::{FunctionType, Import};
use lucet_format::value::ValueType;

impl Resolver<'_> {
    pub(super) fn tag(&mut self, import: &Import) -> Result<()> {
        let image = self.image;
        let function_type = self.type_of_tag(import)?;
        let carries = |kinds: &[ValueType]| {
            let wanted = image.parameters(&function_type);
            wanted.eq(kinds.iter().copied())
        };
        let wanted = signature::Display::new(image, &function_type);
        let found = self
            .linker
            .lookup(image.bytes(import.module), image.bytes(import.name))?;
        match found {
            Some(Definition::Tag(tag)) if carries(tag.parameters()) => {
                return add(&mut self.tags, ImportedTag::of_host(tag));
            }
            Some(Definition::Export(Offer {
                provider,
                what:
                    Offered::Tag {
                        tag,
                        parameters: theirs,
                    },
            })) => match unsuitable(carries(theirs), theirs) {
                Some((status, problem)) => {
                    self.report(status, import, format_args!("is a tag {wanted}, {problem}"));
                }
                None => {
                    self.shared.keep(*provider)?;
                    return add(&mut self.tags, tag.clone());
                }
            },
            Some(Definition::Tag(tag)) => self.report(
                Status::TypeMismatch,
                import,
                format_args!(
                    "is a tag {wanted}, the host defines {}",
                    signature::Parameters(tag.parameters())
                ),
            ),
            Some(definition) => self.report(
                Status::TypeMismatch,
                import,
                format_args!("is a tag {wanted}, the host defines {}", definition.kind()),
            ),
            None => self.report(
                Status::NotFound,
                import,
                format_args!("is a tag {wanted} that the host does not define"),
            ),
        }
        Ok(())
    }

    /// The type whose parameters the exceptions of an imported tag carry.
    fn type_of_tag(&self, import: &Import) -> Result<FunctionType> {
        let tag = self.image.tags().get(import.index as usize);
        let types = self.image.function_types();
        tag.and_then(|tag| types.get(tag.function_type as usize))
            .ok_or_else(|| {
                error!(
                    Status::BadModule,
                    "damaged module: an imported tag without a type"
                )
            })
    }
}

/// Why a tag of another instance that carries these types cannot be imported.
fn unsuitable(same: bool, carried: &[ValueType]) -> Option<(Status, &'static str)> {
    // Values of such types mean nothing in another instance.
    let is_own = |kind: &ValueType| matches!(kind, ValueType::Funcref | ValueType::Exnref);
    if !same {
        return Some((Status::TypeMismatch, "the instance's is another"));
    }
    carried.iter().any(is_own).then_some((
        Status::Unsupported,
        "whose references belong to one instance",
    ))
}
