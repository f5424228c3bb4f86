//! Loops that store several numbers a round: records of some fields, rows whose loops were unrolled, and rows that are exchanged.

use super::Writer;

/// The loads and stores of an element, and its bytes.
const ELEMENTS: [(&str, &str, u64); 7] = [
    ("i32.load8_u", "i32.store8", 1),
    ("i32.load16_s", "i32.store16", 2),
    ("i32.load", "i32.store", 4),
    ("i64.load", "i64.store", 8),
    ("i64.load32_u", "i64.store32", 4),
    ("f32.load", "f32.store", 4),
    ("f64.load", "f64.store", 8),
];

/// What a round does.
struct Fields {
    /// The type of a value.
    of: &'static str,
    load: String,
    store: String,
    bytes: u64,
    /// Fields of a record.
    count: u64,
}

impl Writer<'_> {
    /// A loop over records.
    pub(super) fn fields(&mut self) {
        let (load, store, bytes) = self.pick(&ELEMENTS);
        let widen = self.widening(0);
        let fields = Fields {
            of: &load[..3],
            load: format!("{widen} {load} $m0"),
            store: format!("{store} $m0"),
            bytes,
            count: self.pick(&[1, 2, 2, 3, 4, 4, 8]),
        };
        // Now and then there is something between records.
        let gap = if self.one_in(8) { bytes } else { 0 };
        let step = bytes * fields.count + gap;
        self.two_rows();
        self.length(step);
        let down = self.direction(3);
        let body = self.round(&fields, down == "sub", widen);
        let row = self.pick(&["$a2", "$a3"]);
        let [before, after] = if step.is_power_of_two() {
            self.sums(&format!("local.get {row} {widen}"), step)
        } else {
            Default::default()
        };
        self.by_pointers(step, down, &format!("{before} {body} {after}"));
    }

    /// The stores to a record, in some order.
    fn round(&mut self, fields: &Fields, down: bool, widen: &str) -> String {
        let mut order: Vec<u64> = (0..fields.count).collect();
        if down && self.one_in(2) {
            order.reverse();
        } else if self.one_in(3) {
            for place in 1..order.len() {
                order.swap(place, self.below(place as u64 + 1) as usize);
            }
        }
        if order.len() > 1 && self.one_in(8) {
            order.pop();
        }
        let kind = self.below(5);
        let mixed = self.one_in(3);
        // Stores to, or loads from, a record further on in the row.
        let [stores, loads] =
            [0, 1].map(|_| self.pick(&[0, 0, 0, 1, 2, 4, 5, 8, 16]) * fields.bytes);
        let operations = self.operations(fields.of, None);
        let mut body = String::new();
        for lane in order {
            // Mostly from the same field of the other record.
            let from = if mixed {
                self.below(fields.count)
            } else {
                lane
            };
            let (here, from) = (lane * fields.bytes + stores, from * fields.bytes + loads);
            let (load, store) = (&fields.load, &fields.store);
            let text = match kind {
                // The two change places.
                0 => format!(
                    "local.get $a2 {widen} local.get $a3 {load} offset={here} local.get $a3 {widen} local.get $a2 {load} offset={from}
                    {store} offset={here} {store} offset={here}"
                ),
                // In place.
                1 => format!(
                    "local.get $a2 {widen} local.get $a2 {load} offset={from} {operations} {store} offset={here}"
                ),
                // From both.
                2 => {
                    let both = self.both(fields);
                    format!(
                        "local.get $a2 {widen} local.get $a2 {load} offset={here} local.get $a3 {load} offset={from} {both} {operations}
                        {store} offset={here}"
                    )
                }
                _ => format!(
                    "local.get $a2 {widen} local.get $a3 {load} offset={from} {operations} {store} offset={here}"
                ),
            };
            body.push_str(&text);
            body.push('\n');
        }
        body
    }

    /// What makes one value of two.
    fn both(&mut self, fields: &Fields) -> String {
        let name = if fields.of.starts_with('f') {
            "copysign"
        } else {
            self.pick(&["add", "xor", "sub", "and", "or", "mul"])
        };
        format!("{}.{name}", fields.of)
    }
}
