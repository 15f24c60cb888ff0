import CVidTwin
import Glibc
import VidTwin
import VidTwinKernels

/// A caller's frame, checked: rows of one or three planes that may lie anywhere.
struct FrameMemory {
    let depth: Picture.Depth
    let width: Int
    let height: Int
    private let planes: [(data: UnsafeMutableRawPointer, stride: Int)]

    /// - Throws: where the description makes no sense or is not of the model's size.
    init(_ frame: vidtwin_frame, _ what: String, for configuration: Configuration) throws {
        let (width, height) = (configuration.width, configuration.height)
        (self.width, self.height) = (width, height)
        guard Int(frame.width) == width, Int(frame.height) == height else {
            throw CallError.argument(
                "\(what): size", expected: "the model's, \(width)x\(height)",
                found: "\(frame.width)x\(frame.height)")
        }
        let rowBytes: Int
        let count: Int
        switch Int(frame.format) {
        case VIDTWIN_FORMAT_RGB24: (depth, count, rowBytes) = (.eight, 1, width * 3)
        case VIDTWIN_FORMAT_RGBF32_PLANAR: (depth, count, rowBytes) = (.float, 3, width * 4)
        case VIDTWIN_FORMAT_RGB24_PLANAR: (depth, count, rowBytes) = (.eight, 3, width)
        default:
            throw CallError.argument(
                "\(what): format",
                expected: "RGB24 (\(VIDTWIN_FORMAT_RGB24)), planar float "
                    + "(\(VIDTWIN_FORMAT_RGBF32_PLANAR)) or planar RGB24 "
                    + "(\(VIDTWIN_FORMAT_RGB24_PLANAR))",
                found: "\(frame.format)")
        }
        let data = [frame.data.0, frame.data.1, frame.data.2]
        let strides = [frame.stride.0, frame.stride.1, frame.stride.2]
        planes = try (0..<count).map { plane in
            guard let start = data[plane] else { throw CallError.null("\(what): data[\(plane)]") }
            let stride = strides[plane]
            guard stride.magnitude >= rowBytes, stride.magnitude <= Int.max / height else {
                throw CallError.argument(
                    "\(what): stride[\(plane)]", expected: "a row, \(rowBytes) bytes, or more",
                    found: "\(stride)")
            }
            return (start, stride)
        }
    }

    /// The frame's samples.
    ///
    /// - Throws: where samples are NaN or infinite, or there is no memory for them.
    func read(_ what: String) throws -> Picture {
        let row = width * 3 * depth.byteCount
        let needed = 2 * height * row + MemoryReserve.headroom / 8
        guard MemoryReserve.isAvailable(needed) else {
            throw ModelError.memory(what: what, bytes: needed)
        }
        let bytes = [UInt8](unsafeUninitializedCapacity: height * row) { buffer, used in
            guard let base = buffer.baseAddress else { return }
            for y in 0..<height {
                if planes.count == 1 {
                    memcpy(base + y * row, planes[0].data + y * planes[0].stride, row)
                } else {
                    let to = UnsafeMutableRawPointer(base + y * row)
                    for (c, plane) in planes.enumerated() {
                        let from = UnsafeRawPointer(plane.data + y * plane.stride)
                        if depth == .eight {
                            copy(UInt8.self, from, step: 1, to + c, step: 3)
                        } else {
                            copy(UInt32.self, from, step: 4, to + 4 * c, step: 12)
                        }
                    }
                }
            }
            used = height * row
        }
        let picture = Picture(width: width, height: height, depth: depth, bytes: bytes)
        let bad = picture.nonFiniteCount
        if bad > 0 {
            throw CallError(
                status: VIDTWIN_ERROR_DATA,
                description: "\(what): expected finite samples, found \(bad) of "
                    + "\(width * height * 3) NaN or infinite")
        }
        return picture
    }

    /// Copies the samples of one colour of a row; steps are in bytes, and nothing is aligned.
    private func copy<Sample: BitwiseCopyable>(
        _ sample: Sample.Type, _ from: UnsafeRawPointer, step: Int,
        _ to: UnsafeMutableRawPointer, step other: Int
    ) {
        for x in 0..<width {
            let value = from.loadUnaligned(fromByteOffset: x * step, as: sample)
            to.storeBytes(of: value, toByteOffset: x * other, as: sample)
        }
    }

    /// Writes a picture of this frame's size.
    ///
    /// - Throws: where the picture has another form of samples.
    func write(_ picture: Picture, _ what: String) throws {
        guard picture.depth == depth else {
            throw CallError.argument(
                "\(what): format", expected: "the one that was sent",
                found: depth == .eight ? "bytes" : "planar float")
        }
        let row = width * 3 * depth.byteCount
        picture.bytes.withUnsafeBytes { buffer in
            guard let base = buffer.baseAddress, buffer.count == height * row else { return }
            for y in 0..<height {
                if planes.count == 1 {
                    memcpy(planes[0].data + y * planes[0].stride, base + y * row, row)
                } else {
                    let from = base + y * row
                    for (c, plane) in planes.enumerated() {
                        let to = plane.data + y * plane.stride
                        if depth == .eight {
                            copy(UInt8.self, from + c, step: 3, to, step: 1)
                        } else {
                            copy(UInt32.self, from + 4 * c, step: 12, to, step: 4)
                        }
                    }
                }
            }
        }
    }
}
