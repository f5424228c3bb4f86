//! Names in C. Whatever a bindings file calls its things, what is made of it compiles: names that C, C++, the headers which generated
//! code includes or lucet.h have already get an underscore at their end, which no name in WIT can have. So do names that lucetc
//! itself would like to give, where the file has them.
//!
//! Invariants: no name that is made here ends in an underscore unless it, or its stem, was taken; none has two in a row or starts with
//! one, which C and C++ reserve, unless the stem has. The same file makes the same names.
//!
//! Not here: which two things of a file share a name, which is an error (`read`).

use super::{Bindings, Function};
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Words of C and of C++, and macros that are not in capitals, of the headers and of compilers with GNU's extensions.
const WORDS: &str = "
    alignas alignof alloca and and_eq asm assert atomic_cancel atomic_commit atomic_noexcept auto
    bitand bitor bool break case catch char char16_t char32_t char8_t class co_await co_return
    co_yield compl concept const const_cast consteval constexpr constinit continue contract_assert
    decltype default delete do double dynamic_cast else enum errno explicit export extern false
    float for friend goto i386 if inline int linux long main mutable namespace new noexcept noreturn
    not not_eq nullptr offsetof operator or or_eq private protected public register reinterpret_cast
    requires restrict return short signed sizeof static static_assert static_cast stderr stdin
    stdout strdupa strndupa struct switch template this thread_local throw true try typedef typeid
    typename typeof typeof_unqual union unix unsigned using virtual void volatile wchar_t while xor
    xor_eq
";

/// What generated code calls parameters of functions that users write.
const OURS: &str = "call err ret";

/// What generated code, its headers or those below them name, without an underscore within or as types; and types that end in `_t`.
const PARAMETERS: &str = "
    calloc fd_set free malloc memcpy memmove memset realloc u_char u_int u_long u_short uint ulong
    ushort va_list
";

/// Names of the C library's headers that have an underscore within, as all names of a bindings file do where they are not local.
const LIBRARY: &str = "
    aligned_alloc arc4random_buf arc4random_uniform at_quick_exit blkcnt64_t blkcnt_t blksize_t
    caddr_t canonicalize_file_name clearerr_unlocked clock_t clockid_t comparison_fn_t
    cookie_close_function_t cookie_io_functions_t cookie_read_function_t cookie_seek_function_t
    cookie_write_function_t daddr_t dev_t div_t drand48_data drand48_r ecvt_r erand48_r error_t
    explicit_bzero fcvt_r fd_mask feof_unlocked ferror_unlocked fflush_unlocked fgetc_unlocked
    fgets_unlocked fileno_unlocked fpos64_t fpos_t fputc_unlocked fputs_unlocked fread_unlocked
    fsblkcnt64_t fsblkcnt_t fsfilcnt64_t fsfilcnt_t fsid_t fwrite_unlocked getc_unlocked
    getchar_unlocked gid_t id_t imaxdiv_t initstate_r ino64_t ino_t int16_t int32_t int64_t int8_t
    int_fast16_t int_fast32_t int_fast64_t int_fast8_t int_least16_t int_least32_t int_least64_t
    int_least8_t intmax_t intptr_t jrand48_r key_t lcong48_r ldiv_t lldiv_t locale_t loff_t
    lrand48_r max_align_t mode_t mrand48_r nlink_t nrand48_r nullptr_t obstack_printf
    obstack_vprintf off64_t off_t on_exit open_memstream pid_t posix_memalign posix_openpt
    program_invocation_name program_invocation_short_name pthread_attr_t pthread_barrier_t
    pthread_barrierattr_t pthread_cond_t pthread_condattr_t pthread_key_t pthread_mutex_t
    pthread_mutexattr_t pthread_once_t pthread_rwlock_t pthread_rwlockattr_t pthread_spinlock_t
    pthread_t ptrdiff_t ptsname_r putc_unlocked putchar_unlocked qecvt_r qfcvt_r qsort_r quad_t
    quick_exit rand_r random_data random_r register_t secure_getenv seed48_r setstate_r sig_atomic_t
    sigabbrev_np sigdescr_np sigset_t size_t srand48_r srandom_r ssize_t strcasecmp_l strcoll_l
    strerror_l strerror_r strerrordesc_np strerrorname_np strncasecmp_l strtod_l strtof128_l
    strtof32_l strtof32x_l strtof64_l strtof64x_l strtof_l strtok_r strtol_l strtold_l strtoll_l
    strtoul_l strtoull_l strxfrm_l suseconds_t time_t timer_t tmpnam_r u_int16_t u_int32_t u_int64_t
    u_int8_t u_quad_t uid_t uint16_t uint32_t uint64_t uint8_t uint_fast16_t uint_fast32_t
    uint_fast64_t uint_fast8_t uint_least16_t uint_least32_t uint_least64_t uint_least8_t uintmax_t
    uintptr_t useconds_t
";

/// The same of macros; those of minima and maxima of integers are recognised.
const MACROS: &str = "MB_CUR_MAX SIG_ATOMIC_MAX SIG_ATOMIC_MIN SIG_ATOMIC_WIDTH";

/// What the names of functions, or types, that only generated code has start with.
const INTERNAL: [&str; 7] = ["area", "check", "drop", "end", "glue", "import", "release"];

fn one_of(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|word| word == name)
}

/// Without the underscore at its end.
pub fn stem(name: &str) -> &str {
    name.trim_end_matches('_')
}

fn escaped(name: &str) -> String {
    format!("{}_", stem(name))
}

/// A word that is not one of C's or C++'s own: of a member or a part of a name.
pub fn c_word(name: &str) -> String {
    if one_of(WORDS, name) || one_of(OURS, name) {
        escaped(name)
    } else {
        name.to_owned()
    }
}

/// A word for a parameter or a field: what types are called is not for them.
pub fn c_local(name: &str) -> String {
    if one_of(PARAMETERS, name) || name.ends_with("_t") || name.starts_with("lucet_") {
        escaped(name)
    } else {
        c_word(name)
    }
}

/// The words of lucet.h and what it includes that start with its name.
fn of_lucet(name: &str) -> bool {
    static NAMES: OnceLock<BTreeSet<&'static str>> = OnceLock::new();
    let part = |c: char| !c.is_ascii_alphanumeric() && c != '_';
    let all = || {
        let headers = [
            include_str!("../../../include/lucet.h"),
            include_str!("../../../include/lucet/typed.h"),
            include_str!("../../../include/lucet/arguments.h"),
            include_str!("../../../include/lucet/bindings.h"),
        ];
        let words = headers.into_iter().flat_map(|text| text.split(part));
        words
            .filter(|word| word.starts_with("lucet_") || word.starts_with("LUCET_"))
            .collect()
    };
    NAMES.get_or_init(all).contains(name)
}

/// A name outside of functions.
pub fn c_global(name: &str) -> String {
    let integers = ["INT_LEAST", "INT_FAST", "UINT_LEAST", "UINT_FAST"];
    let limits = ["_MAX", "_MIN", "_WIDTH"];
    let taken = one_of(WORDS, name)
        || one_of(PARAMETERS, name)
        || one_of(LIBRARY, name)
        || one_of(MACROS, name)
        || of_lucet(name)
        || (integers.iter().any(|start| name.starts_with(start))
            && limits.iter().any(|end| name.ends_with(end)));
    if taken {
        escaped(name)
    } else {
        name.to_owned()
    }
}

/// What names start with: `lucet_` is the library's, now and later.
pub fn c_prefix(name: &str) -> String {
    if name == "lucet" {
        "wit_lucet".to_owned()
    } else {
        name.to_owned()
    }
}

/// The names of one place, each given once.
#[derive(Clone, Debug, Default)]
pub struct Scope<'a> {
    bindings: Option<&'a Bindings>,
    taken: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    /// Of things outside of functions; empty.
    pub fn global() -> Scope<'static> {
        Scope::default()
    }

    /// Of things outside of functions beside those of a file.
    pub fn of(bindings: &'a Bindings) -> Scope<'a> {
        Scope {
            bindings: Some(bindings),
            taken: BTreeSet::new(),
        }
    }

    /// A name that is there. False: it was before.
    pub fn add(&mut self, name: &str) -> bool {
        self.taken.insert(name.to_owned())
    }

    /// A name that is not there yet: this one, if it can be.
    pub fn fresh(&mut self, wish: &str) -> String {
        let taken = |name: &str| {
            self.taken.contains(name) || self.bindings.is_some_and(|all| all.is_global(name))
        };
        let mut name = wish.to_owned();
        if taken(&name) {
            name = escaped(wish);
        }
        let mut number = 2;
        while taken(&name) {
            name = format!("{}_{number}", stem(wish));
            number += 1;
        }
        self.taken.insert(name.clone());
        name
    }

    /// All of them.
    pub fn into_names(self) -> BTreeSet<String> {
        self.taken
    }
}

impl Bindings {
    /// Whether something outside of functions is called so, or could be in one of the files.
    pub fn is_global(&self, name: &str) -> bool {
        let known =
            |name: &str| self.globals.contains(name) || self.globals.contains(&escaped(name));
        let internal = || {
            let (word, rest) = stem(name).split_once('_')?;
            (INTERNAL.contains(&word) && known(rest)).then_some(())
        };
        self.globals.contains(name) || internal().is_some()
    }

    /// The name of what only generated code has, for something of the file's.
    pub fn internal(&self, word: &str, name: &str) -> String {
        let own = format!("{word}_{name}");
        if self.globals.contains(&own) {
            escaped(&own)
        } else {
            own
        }
    }

    /// The names inside of a function around one of the file's: its parameters' are taken.
    pub fn scope(&self, function: &Function) -> Scope<'_> {
        let mut scope = Scope::of(self);
        for word in OURS.split_ascii_whitespace() {
            scope.add(word);
        }
        for parameter in &function.parameters {
            scope.add(&parameter.c_name);
        }
        scope
    }

    /// The same with what stands for the parameters in a row of a table.
    pub fn slot_scope(&self, function: &Function) -> Scope<'_> {
        let mut scope = self.scope(function);
        for slot in self.slots(function) {
            scope.add(&slot.name);
            scope.add(&slot.count);
        }
        scope
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_given_once() {
        let mut scope = Scope::global();
        assert!(scope.add("a_count"));
        assert!(!scope.add("a_count"));
        assert_eq!(scope.fresh("a_count"), "a_count_");
        assert_eq!(scope.fresh("a_count"), "a_count_2");
        assert_eq!(scope.fresh("int_"), "int_");
        assert_eq!(scope.fresh("int_"), "int_2");
    }

    #[test]
    fn what_is_taken_gets_an_underscore() {
        for (made, name) in [
            (c_word("int"), "int_"),
            (c_word("thing"), "thing"),
            (c_local("size_t"), "size_t_"),
            (c_local("lucet_bytes"), "lucet_bytes_"),
            (c_local("ret"), "ret_"),
            (c_global("static_assert"), "static_assert_"),
            (c_global("INT_LEAST8_MAX"), "INT_LEAST8_MAX_"),
            (c_global("lucet_instance_new"), "lucet_instance_new_"),
            (c_global("lucet_http_get"), "lucet_http_get"),
            (c_global("a_b"), "a_b"),
        ] {
            assert_eq!(made, name);
        }
    }
}
