//! Bars in plain text.

/// Characters on each side of the axis.
const SIDE: usize = 12;

/// A bar to the right of the axis for positive points and to its left for negative ones; the
/// greatest magnitude, `full`, fills a side.
pub(crate) fn bar(points: i32, full: u32) -> String {
    let size = (points.unsigned_abs() as usize * SIDE).div_ceil(full.max(1) as usize);
    let (left, right) = match points < 0 {
        true => (size.min(SIDE), 0),
        false => (0, size.min(SIDE)),
    };
    format!(
        "{}{}|{}",
        " ".repeat(SIDE - left),
        "-".repeat(left),
        "+".repeat(right)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_grow_from_the_axis() {
        assert_eq!(bar(0, 10), "            |");
        assert_eq!(bar(10, 10), "            |++++++++++++");
        assert_eq!(bar(-5, 10), "      ------|");
        assert_eq!(bar(1, 1000), "            |+");
        assert_eq!(bar(i32::MIN, 0), "------------|");
    }
}
