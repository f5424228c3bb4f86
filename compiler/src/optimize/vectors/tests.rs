//! Which loops take vectors.

use super::super::testing::optimised;

/// A loop over $i up to $n with this body, in a function with rows at $to and $from.
fn looping(body: &str) -> String {
    optimised(&format!(
        "(module (memory 1) (func (param $to i32) (param $from i32) (param $n i32) (param $x i32) (param $f f64)
            (local $i i32) (local $sum i32)
            (loop $more {body}
                (br_if $more (i32.ne (local.tee $i (i32.add (local.get $i) (i32.const 8))) (local.get $n))))))"
    ))
}

fn at(row: &str) -> String {
    format!("(i32.add (local.get {row}) (local.get $i))")
}

/// Eight stores of bytes next to each other.
fn bytes(value: impl Fn(u32) -> String) -> String {
    let store = |lane| format!("(i32.store8 offset={lane} {} {})", at("$to"), value(lane));
    (0..8).map(store).collect()
}

fn load(lane: u32) -> String {
    format!("(i32.load8_u offset={lane} {})", at("$from"))
}

#[test]
fn copies_take_vectors() {
    let listing = looping(&bytes(load));
    assert!(listing.contains("load.i8x16"), "{listing}");
}

#[test]
fn fills_take_vectors() {
    let listing = looping(&bytes(|_| "(local.get $x)".to_owned()));
    assert!(listing.contains("splat.i8x16"), "{listing}");
}

#[test]
fn sums_of_rows_take_vectors() {
    let body = format!(
        "(f64.store {0} (f64.add (f64.load {0}) (f64.mul (local.get $f) (f64.load {1}))))",
        at("$to"),
        at("$from")
    );
    let listing = looping(&body);
    assert!(listing.contains("fmul"), "{listing}");
    assert!(listing.contains("load.f64x2"), "{listing}");
}

#[test]
fn rows_with_gaps_do_not() {
    let listing = looping(&format!(
        "(i32.store {} (i32.load {}))",
        at("$to"),
        at("$from")
    ));
    assert!(!listing.contains("x4"), "{listing}");
}

#[test]
fn loads_that_nothing_is_made_of_do_not() {
    let body = bytes(load) + &format!("(drop (i32.load {}))", at("$x"));
    assert!(!looping(&body).contains("i8x16"));
}

/// Eight bytes, each brought into $sum.
fn gathered(operation: &str) -> String {
    let term = |lane| {
        format!(
            "(local.set $sum ({operation} (local.get $sum) {}))",
            load(lane)
        )
    };
    (0..8).map(term).collect()
}

#[test]
fn sums_are_added_up_in_wider_lanes() {
    let listing = looping(&gathered("i32.add"));
    assert!(listing.contains("load.i8x16"), "{listing}");
    assert!(listing.contains("iadd_pairwise"), "{listing}");
}

#[test]
fn bits_are_gathered_in_lanes_as_they_are_loaded() {
    let listing = looping(&gathered("i32.xor"));
    assert!(
        listing.contains("bxor.i8x16") || listing.contains("extractlane"),
        "{listing}"
    );
    assert!(!listing.contains("widen"), "{listing}");
}

#[test]
fn sums_of_products_take_vectors() {
    let listing = looping(
        &[0, 4].map(|lane| {
            format!(
                "(local.set $sum (i32.add (local.get $sum) (i32.mul (i32.load offset={lane} {}) (i32.load offset={lane} {}))))",
                at("$from"),
                at("$to")
            )
        })
        .concat(),
    );
    assert!(listing.contains("load.i32x4"), "{listing}");
}

#[test]
fn sums_that_are_stored_on_the_way_do_not() {
    let body = gathered("i32.add") + &bytes(|_| "(local.get $sum)".to_owned());
    assert!(!looping(&body).contains("i8x16"));
}

/// What is loaded behind a store, and from where it stores, is what it has stored, also when their lanes are not of one width.
#[test]
fn sums_of_what_is_stored_over_are_made_in_front() {
    let sum = |lane: u32| {
        let loaded = format!("(i32.load8_u offset={lane} {})", at("$to"));
        format!("(local.set $sum (i32.add (local.get $sum) {loaded}))")
    };
    let sums = |lanes: std::ops::Range<u32>| lanes.map(sum).collect::<String>();
    let word = format!("(i64.store {} (i64.const 7))", at("$to"));
    let front = looping(&format!("{}{word}", sums(0..8)));
    assert!(front.contains("load.i8x16"), "{front}");
    let behind = looping(&format!("{}{word}{}", sums(0..7), sums(7..8)));
    assert!(!behind.contains("load.i8x16"), "{behind}");
    let half = |lane: u32| format!("(i32.store offset={lane} {} (local.get $x))", at("$to"));
    let between = looping(&format!(
        "{}{}{}{}",
        sums(0..6),
        half(0),
        sums(6..8),
        half(4)
    ));
    assert!(between.contains("load.i8x16"), "{between}");
    let too_late = looping(&format!(
        "{}{}{}{}",
        sums(0..3),
        half(0),
        sums(3..8),
        half(4)
    ));
    assert!(!too_late.contains("load.i8x16"), "{too_late}");
}

#[test]
fn bytes_are_counted_in_vectors() {
    let count = |number: i32| {
        let term = |lane| {
            format!(
                "(local.set $sum (i32.add (local.get $sum) (i32.eq {} (i32.const {number}))))",
                load(lane)
            )
        };
        looping(&(0..8).map(term).collect::<String>())
    };
    let listing = count(10);
    assert!(listing.contains("icmp eq"), "{listing}");
    assert!(listing.contains("load.i8x16"), "{listing}");
    // No byte is 266, but the lanes of one would say that 10 is.
    assert!(!count(266).contains("load.i8x16"));
}

#[test]
fn chosen_numbers_take_vectors_where_lanes_can_compare() {
    let choose = |lane, other: &str| {
        let loaded = load(lane);
        format!("(select {loaded} (i32.const 7) (i32.lt_s {loaded} {other}))")
    };
    let listing = looping(&bytes(|lane| choose(lane, "(i32.const 200)")));
    assert!(listing.contains("icmp ult"), "{listing}");
    assert!(listing.contains("bitselect"), "{listing}");
    let any = looping(&bytes(|lane| choose(lane, "(local.get $x)")));
    assert!(!any.contains("load.i8x16"), "{any}");
}

#[test]
fn differences_do_not() {
    assert!(!looping(&gathered("i32.sub")).contains("i8x16"));
}

#[test]
fn numbers_that_go_from_round_to_round_do_not() {
    let body = bytes(|_| {
        "(local.tee $sum (i32.mul (i32.add (local.get $sum) (local.get $x)) (i32.const 3)))"
            .to_owned()
    });
    assert!(!looping(&body).contains("i8x16"));
}

#[test]
fn shifts_that_bring_down_other_bits_do_not() {
    let body = bytes(|lane| {
        format!(
            "(i32.shr_u (i32.mul {} (local.get $x)) (i32.const 4))",
            load(lane)
        )
    });
    assert!(!looping(&body).contains("i8x16"));
}

#[test]
fn rows_that_overlap_for_certain_do_not() {
    let body = bytes(|lane| {
        format!(
            "(i32.load8_u {})",
            format_args!("(i32.sub {} (i32.const {}))", at("$to"), 3 + 8 - lane)
        )
    });
    assert!(!looping(&body).contains("i8x16"));
}

#[test]
fn loops_of_few_rounds_do_not() {
    let listing = optimised(
        "(module (memory 1) (func (param $to i32) (param $n i32) (param $x i32)
            (local.set $n (i32.and (local.get $n) (i32.const 31)))
            (if (local.get $n) (then
                (loop $more
                    (i32.store8 (local.get $to) (local.get $x))
                    (local.set $to (i32.add (local.get $to) (i32.const 1)))
                    (br_if $more (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))))))",
    );
    assert!(!listing.contains("i8x16"), "{listing}");
}
