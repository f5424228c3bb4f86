//! Little-endian fields in byte slices: reading never fails silently and never panics.

/// A fixed-size record of an image: how it is read and written is derived from its list of fields.
pub trait Record: Sized + Copy {
    /// Bytes of one record.
    const SIZE: usize;
    /// Reads the record at the start of `bytes`; `None` when they are too few.
    fn read(bytes: &[u8]) -> Option<Self>;
    /// Appends the record.
    fn write(&self, out: &mut Vec<u8>);
}

macro_rules! integer_record {
    ($($integer:ty),*) => { $(
        impl Record for $integer {
            const SIZE: usize = size_of::<$integer>();
            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                Some(<$integer>::from_le_bytes(*bytes.first_chunk()?))
            }
            fn write(&self, out: &mut Vec<u8>) {
                out.extend_from_slice(&self.to_le_bytes());
            }
        }
    )* };
}
integer_record!(u8, u32, u64);

/// Declares a struct whose fields are records, and implements [`Record`] for it, field after field.
#[macro_export]
macro_rules! record {
    ($(#[$meta:meta])* pub struct $name:ident { $($(#[$field_meta:meta])* pub $field:ident: $kind:ty,)* }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct $name { $($(#[$field_meta])* pub $field: $kind,)* }
        impl $crate::bytes::Record for $name {
            const SIZE: usize = 0 $(+ <$kind as $crate::bytes::Record>::SIZE)*;
            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                let mut rest = bytes;
                $(
                    let $field = <$kind as $crate::bytes::Record>::read(rest)?;
                    rest = rest.get(<$kind as $crate::bytes::Record>::SIZE..)?;
                )*
                let _ = rest;
                Some($name { $($field,)* })
            }
            fn write(&self, out: &mut Vec<u8>) {
                $(<$kind as $crate::bytes::Record>::write(&self.$field, out);)*
            }
        }
    };
}

/// Records that follow each other, read on demand.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a, R> {
    bytes: &'a [u8],
    kind: std::marker::PhantomData<R>,
}

impl<'a, R: Record> Records<'a, R> {
    /// The records that fill `bytes`; a remainder that is too short for one is ignored.
    pub fn new(bytes: &'a [u8]) -> Self {
        Records {
            bytes,
            kind: std::marker::PhantomData,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / R::SIZE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The record with this index.
    #[inline]
    pub fn get(&self, index: usize) -> Option<R> {
        let start = index.checked_mul(R::SIZE)?;
        R::read(self.bytes.get(start..)?)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = R> + use<'a, R> {
        self.bytes.chunks_exact(R::SIZE).filter_map(R::read)
    }

    /// How many records from the start satisfy `before`, which must hold for a prefix only (binary search).
    /// Calls nothing but `before`: fit for signal handlers.
    pub fn partition_point(&self, mut before: impl FnMut(&R) -> bool) -> usize {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.get(middle) {
                Some(record) if before(&record) => low = middle + 1,
                _ => high = middle,
            }
        }
        low
    }
}
