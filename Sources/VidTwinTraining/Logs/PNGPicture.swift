package import VidTwin
import VideoIO

/// A picture for logs.
package struct PNGPicture: Sendable {
    package let width, height: Int
    /// The file.
    package let bytes: [UInt8]

    private static let gap = 2

    /// Frames of clips `[B, T, H, W, 3]` in −1…1 in a grid of `columns`, two black pixels around each.
    ///
    /// - Throws: `VideoIOError.failure`.
    package init(_ clips: Tensor, columns: Int) throws {
        let (B, T, H, W, _) = clips.shape5
        let columns = max(1, min(columns, B * T))
        let rows = (B * T + columns - 1) / columns
        let gap = PNGPicture.gap
        (width, height) = (columns * (W + gap) + gap, rows * (H + gap) + gap)
        var pixels = [UInt8](repeating: 0, count: 3 * width * height)
        let (values, line) = (clips.values, 3 * width)
        for frame in 0..<B * T {
            let top = gap + frame / columns * (H + gap)
            let left = gap + frame % columns * (W + gap)
            for y in 0..<H {
                let (from, to) = ((frame * H + y) * W * 3, (top + y) * line + 3 * left)
                for i in 0..<3 * W { pixels[to + i] = shownSample(values[from + i]) }
            }
        }
        bytes = try PNGEncoder.encode(
            RGBFrame(
                width: width, height: height, depth: .eight, bytes: pixels, pts: 0, duration: 0))
    }
}
