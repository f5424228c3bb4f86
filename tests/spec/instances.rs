//! From a module of a script to an instance: compiled, loaded, linked, and asked what it would need of another instance.

use crate::library::Failure;
use crate::script::Script;
use crate::verdict::{ANOTHER_INSTANCE, Made, Reason, Trouble};
use lucet::capi::describe::{
    LUCET_EXTERN_FUNCTION, LUCET_EXTERN_GLOBAL, LUCET_EXTERN_MUTABLE, LUCET_EXTERN_TAG,
    lucet_extern,
};
use lucet::capi::instance::lucet_instance;
use lucet::capi::module::{lucet_func, lucet_module};
use lucet::capi::region::{lucet_region, lucet_region_config};
use lucetc::options::Options;
use std::ptr::{null, null_mut};

impl Script<'_> {
    /// Compiles, loads, links and makes an instance.
    pub fn instantiate(&mut self, input: &[u8]) -> Result<Made, String> {
        let unlinked = match self.load(input) {
            Ok(unlinked) => unlinked,
            Err(Trouble::Skipped(reason)) => {
                self.forget_imported(input, reason);
                return Ok(Made::Skipped(reason));
            }
            Err(Trouble::Failed(why)) => return Err(why),
        };
        let mut owners = Vec::new();
        if self.needs_another_instance(unlinked, &mut owners) {
            // What the module would have changed there is not looked at any more.
            for owner in owners {
                self.stale.entry(owner).or_insert(ANOTHER_INSTANCE);
            }
            // SAFETY: made above, not used again.
            unsafe { (self.library.lucet_module_release)(unlinked) };
            return Ok(Made::Skipped(ANOTHER_INSTANCE));
        }
        let module = self
            .link(unlinked)
            .map_err(|failure| format!("link: {}", failure.sentence));
        // SAFETY: made above, not used again.
        unsafe { (self.library.lucet_module_release)(unlinked) };
        let module = module?;
        let instance = self
            .instance(module)
            .map_err(|failure| format!("instance: {}", failure.sentence))?;
        self.instances.insert(instance, module);
        Ok(Made::Instance(instance))
    }

    /// A module that cannot be compiled would have changed the instances that it imports from.
    pub fn forget_imported(&mut self, input: &[u8], reason: Reason) {
        for (name, made) in &self.registered {
            let bytes = name.as_bytes();
            let imported = input.windows(bytes.len().max(1)).any(|part| part == bytes);
            if let Made::Instance(owner) = made
                && imported
            {
                self.stale.entry(*owner).or_insert(reason);
            }
        }
    }

    pub fn load(&self, input: &[u8]) -> Result<*mut lucet_module, Trouble> {
        let options = Options {
            verify: true,
            ..Options::default()
        };
        let file = lucetc::compile_module(input, &options).map_err(|error| Trouble::of(&error))?;
        let mut module = null_mut();
        // SAFETY: the bytes are readable, the result can be written.
        let status = unsafe {
            (self.library.lucet_module_load_bytes)(
                file.as_ptr().cast(),
                file.len(),
                null(),
                null(),
                &raw mut module,
            )
        };
        self.library
            .check(status)
            .map_err(|failure| format!("load: {}", failure.sentence))?;
        Ok(module)
    }

    pub fn link(&self, unlinked: *mut lucet_module) -> Result<*mut lucet_module, Failure> {
        let mut module = null_mut();
        // SAFETY: a live module and linker, room for the result.
        let status = unsafe {
            (self.library.lucet_module_link)(unlinked, self.linker, null(), &raw mut module)
        };
        self.library.check(status)?;
        Ok(module)
    }

    /// An instance in a region that is made for its module.
    pub fn instance(&self, module: *mut lucet_module) -> Result<*mut lucet_instance, Failure> {
        // SAFETY: all-zero bytes are a value of this C struct.
        let mut config: lucet_region_config = unsafe { std::mem::zeroed() };
        config.struct_size = size_of::<lucet_region_config>();
        config.instances = 1;
        config.memory_bytes = 4 << 30;
        config.table_elements = 1 << 20;
        let (mut region, mut instance): (*mut lucet_region, _) = (null_mut(), null_mut());
        let library = self.library;
        // SAFETY: live objects, room for the results.
        unsafe {
            library.check((library.lucet_region_config_fit)(&raw mut config, module))?;
            library.check((library.lucet_region_new)(
                &raw const config,
                &raw mut region,
            ))?;
            let status =
                (library.lucet_instance_new)(region, module, null_mut(), null(), &raw mut instance);
            let made = library.check(status);
            // The instance counts its region.
            (library.lucet_region_release)(region);
            made?;
        }
        Ok(instance)
    }

    /// Whether some import could only come from another instance: a memory, a table, a mutable global, or anything of a
    /// registered module. `owners` gets the instances that it would have been linked with.
    pub fn needs_another_instance(
        &self,
        module: *const lucet_module,
        owners: &mut Vec<*mut lucet_instance>,
    ) -> bool {
        // SAFETY: a live module.
        let count = unsafe { (self.library.lucet_module_import_count)(module) };
        let mut needs = false;
        for index in 0..count {
            let import = self.extern_of(module, index, self.library.lucet_module_import);
            let (from, name) = (
                text(import.module, import.module_length),
                text(import.name, import.name_length),
            );
            let owner = self.registered.get(&from).copied();
            if let Some(Made::Instance(owner)) = owner {
                owners.push(owner);
            }
            let mutable =
                import.kind == LUCET_EXTERN_GLOBAL && import.flags & LUCET_EXTERN_MUTABLE != 0;
            let plain = matches!(
                import.kind,
                LUCET_EXTERN_FUNCTION | LUCET_EXTERN_GLOBAL | LUCET_EXTERN_TAG
            );
            let of_spectest = from == "spectest" && (name == "table" || name == "memory");
            needs |= owner.is_some() || mutable || !plain || of_spectest;
        }
        needs
    }

    pub fn extern_of(
        &self,
        module: *const lucet_module,
        index: usize,
        get: unsafe extern "C" fn(*const lucet_module, usize, *mut lucet_extern) -> i32,
    ) -> lucet_extern {
        // SAFETY: all-zero bytes are a value of this C struct.
        let mut described: lucet_extern = unsafe { std::mem::zeroed() };
        // SAFETY: a live module, room for the result.
        let status = unsafe { get(module, index, &raw mut described) };
        assert_eq!(status, 0, "{}", self.library.sentence());
        described
    }

    /// The function that an export is, for names that C cannot write.
    pub fn func(&self, instance: *mut lucet_instance, name: &str) -> *const lucet_func {
        let module = self.instances[&instance].cast_const();
        // SAFETY: a live module.
        let count = unsafe { (self.library.lucet_module_export_count)(module) };
        let index = (0..count).find(|index| {
            let export = self.extern_of(module, *index, self.library.lucet_module_export);
            text(export.name, export.name_length) == name
        });
        let mut func = null();
        // SAFETY: a live module, room for the result.
        let status = unsafe {
            (self.library.lucet_module_func_at)(module, index.expect("an export"), &raw mut func)
        };
        assert_eq!(status, 0, "{}", self.library.sentence());
        func
    }
}

/// A name of the library's, as long as it says.
fn text(first: *const std::ffi::c_char, length: usize) -> String {
    // SAFETY: the module that it belongs to is alive.
    let bytes = unsafe { std::slice::from_raw_parts(first.cast::<u8>(), length) };
    String::from_utf8_lossy(bytes).into_owned()
}
