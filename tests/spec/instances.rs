//! From a module of a script to an instance: compiled, loaded, linked with the instances that the script has registered.

use crate::library::{Failure, c_name};
use crate::script::Script;
use crate::spectest::spectest;
use crate::verdict::{Made, REFUSED_BETWEEN, Reason, Trouble};
use lucet::capi::describe::lucet_extern;
use lucet::capi::instance::lucet_instance;
use lucet::capi::linker::lucet_linker;
use lucet::capi::module::{lucet_func, lucet_module};
use lucet::capi::region::{lucet_region, lucet_region_config};
use lucet::capi::status::LUCET_UNSUPPORTED;
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
        let skipped = self.imports_what_was_skipped(unlinked);
        let linked = self.link(unlinked);
        // SAFETY: made above, not used again.
        unsafe { (self.library.lucet_module_release)(unlinked) };
        let module = match (linked, skipped) {
            (Ok(module), _) => module,
            (Err(failure), _) if failure.status == LUCET_UNSUPPORTED => {
                return Ok(Made::Skipped(REFUSED_BETWEEN));
            }
            (Err(_), Some(reason)) => return Ok(Made::Skipped(reason)),
            (Err(failure), None) => return Err(format!("link: {}", failure.sentence)),
        };
        let instance = self
            .instance(module)
            .map_err(|failure| format!("instance: {}", failure.sentence))?;
        self.instances.push((instance, module));
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
        let linker = self.linker();
        // SAFETY: a live module and linker, room for the result.
        let linked = unsafe {
            let status =
                (self.library.lucet_module_link)(unlinked, linker, null(), &raw mut module);
            let linked = self.library.check(status);
            (self.library.lucet_linker_release)(linker);
            linked
        };
        linked?;
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

    /// Why an import cannot be there: the module that was to be registered by its name could not be made.
    pub fn imports_what_was_skipped(&self, module: *const lucet_module) -> Option<Reason> {
        // SAFETY: a live module.
        let count = unsafe { (self.library.lucet_module_import_count)(module) };
        (0..count).find_map(|index| {
            let import = self.extern_of(module, index, self.library.lucet_module_import);
            match self
                .registered
                .get(&text(import.module, import.module_length))
            {
                Some(Made::Skipped(reason)) => Some(*reason),
                _ => None,
            }
        })
    }

    /// A linker with everything that modules can import at this point of the script.
    pub fn linker(&self) -> *mut lucet_linker {
        let linker = spectest(self.library);
        for (name, made) in &self.registered {
            let Made::Instance(instance) = made else {
                continue;
            };
            let name = c_name(name).expect("names of modules without NUL");
            // SAFETY: a live linker and a live instance.
            let status = unsafe {
                (self.library.lucet_linker_define_instance)(linker, name.as_ptr(), *instance)
            };
            assert_eq!(status, 0, "{}", self.library.sentence());
        }
        linker
    }

    /// Lets everything go on that has trapped: the suite goes on using instances that have.
    pub fn keep_all(&self) {
        for (instance, _) in &self.instances {
            // SAFETY: a live instance. Those that have not trapped say so.
            unsafe { (self.library.lucet_instance_keep)(*instance) };
        }
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
        let mut made = self.instances.iter();
        let (_, module) = made
            .find(|(known, _)| *known == instance)
            .expect("an instance of the script's");
        let module = module.cast_const();
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
