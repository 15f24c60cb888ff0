/// A sample in −1…1 as a byte, for pictures that people look at: what is beyond is limited, and what is no
/// number is black.
package func shownSample(_ value: Float) -> UInt8 {
    let unit = (value + 1) / 2
    return unit > 0 ? UInt8((min(unit, 1) * 255).rounded()) : 0
}
