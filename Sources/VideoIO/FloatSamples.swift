import CFFmpeg

/// Frames whose samples are floating-point numbers.
enum FloatSamples {
    /// How many samples of a frame are NaN or infinite.
    static func notFinite(_ frame: UnsafeMutablePointer<AVFrame>) -> Int {
        let format = AVPixelFormat(rawValue: frame.pointee.format)
        guard let description = av_pix_fmt_desc_get(format),
            description.pointee.flags & UInt64(AV_PIX_FMT_FLAG_FLOAT) != 0
        else { return 0 }
        let half = vt_depth(description) == 16
        let swapped =
            (description.pointee.flags & UInt64(AV_PIX_FMT_FLAG_BE) != 0)
            != (1.bigEndian == 1)
        let planes = [
            frame.pointee.data.0, frame.pointee.data.1, frame.pointee.data.2, frame.pointee.data.3,
        ]
        let strides = [
            frame.pointee.linesize.0, frame.pointee.linesize.1, frame.pointee.linesize.2,
            frame.pointee.linesize.3,
        ]
        var found = 0
        for (plane, (data, stride)) in zip(planes, strides).enumerated() {
            let row = Int(av_image_get_linesize(format, frame.pointee.width, Int32(plane)))
            guard let data, row > 0 else { continue }
            for y in 0..<Int(frame.pointee.height) {
                let start = UnsafeRawPointer(data + y * Int(stride))
                found += half ? halves(start, row, swapped) : singles(start, row, swapped)
            }
        }
        return found
    }

    private static func singles(_ row: UnsafeRawPointer, _ bytes: Int, _ swapped: Bool) -> Int {
        let exponent: UInt32 = 0x7f80_0000
        let mask = swapped ? exponent.byteSwapped : exponent
        return UnsafeRawBufferPointer(start: row, count: bytes / 4 * 4).bindMemory(to: UInt32.self)
            .count { $0 & mask == mask }
    }

    private static func halves(_ row: UnsafeRawPointer, _ bytes: Int, _ swapped: Bool) -> Int {
        let exponent: UInt16 = 0x7c00
        let mask = swapped ? exponent.byteSwapped : exponent
        return UnsafeRawBufferPointer(start: row, count: bytes / 2 * 2).bindMemory(to: UInt16.self)
            .count { $0 & mask == mask }
    }
}
