import CFFmpeg

/// Metadata of high dynamic range, as libav lays them out.
struct LightMetadata {
    /// `AVMasteringDisplayMetadata`
    private(set) var display: [UInt8]?
    /// `AVContentLightMetadata`
    private(set) var content: [UInt8]?
    /// Whether there is more, frame by frame, that no output here can hold.
    private(set) var isDynamic = false

    init() {}

    init(_ stream: UnsafeMutablePointer<AVStream>) {
        func data(_ type: AVPacketSideDataType) -> [UInt8]? {
            var size = 0
            guard let bytes = vt_stream_side_data(stream, type, &size) else { return nil }
            return Array(UnsafeBufferPointer(start: bytes, count: size))
        }
        display = data(AV_PKT_DATA_MASTERING_DISPLAY_METADATA)
        content = data(AV_PKT_DATA_CONTENT_LIGHT_LEVEL)
        isDynamic = data(AV_PKT_DATA_DOVI_CONF) != nil
    }

    mutating func refine(_ frame: UnsafeMutablePointer<AVFrame>) {
        func data(_ type: AVFrameSideDataType) -> [UInt8]? {
            av_frame_get_side_data(frame, type).map {
                Array(UnsafeBufferPointer(start: $0.pointee.data, count: Int($0.pointee.size)))
            }
        }
        display = data(AV_FRAME_DATA_MASTERING_DISPLAY_METADATA) ?? display
        content = data(AV_FRAME_DATA_CONTENT_LIGHT_LEVEL) ?? content
        if data(AV_FRAME_DATA_DYNAMIC_HDR_PLUS) != nil { isDynamic = true }
        if data(AV_FRAME_DATA_DOVI_METADATA) != nil { isDynamic = true }
    }

    /// Whether there is nothing that an output could say.
    var isEmpty: Bool { display == nil && content == nil }

    /// Gives them to a stream of an output.
    func add(to stream: UnsafeMutablePointer<AVStream>) -> Int32 {
        let parts: [(AVPacketSideDataType, [UInt8]?)] = [
            (AV_PKT_DATA_MASTERING_DISPLAY_METADATA, display),
            (AV_PKT_DATA_CONTENT_LIGHT_LEVEL, content),
        ]
        for case (let type, let data?) in parts {
            let code = vt_add_stream_side_data(stream, type, data, data.count)
            if code < 0 { return code }
        }
        return 0
    }

    /// What x265 is told, which writes it into the stream; nil where there is nothing.
    var x265Parameters: String? {
        var parts: [String] = []
        if let d = mastering {
            if d.has_primaries != 0, d.has_luminance != 0 {
                func scaled(_ value: AVRational, _ unit: Double) -> Int {
                    let number = av_q2d(value) * unit
                    return number.isFinite ? Int(min(max(number, 0), 1e9).rounded()) : 0
                }
                func point(_ p: (AVRational, AVRational)) -> String {
                    "(\(scaled(p.0, 50000)),\(scaled(p.1, 50000)))"
                }
                let (r, g, b) = d.display_primaries
                parts.append(
                    "master-display=G\(point(g))B\(point(b))R\(point(r))WP\(point(d.white_point))"
                        + "L(\(scaled(d.max_luminance, 10000)),\(scaled(d.min_luminance, 10000)))")
            }
        }
        if let c = levels {
            parts.append("max-cll=\(min(c.MaxCLL, 65535)),\(min(c.MaxFALL, 65535))")
        }
        return parts.isEmpty ? nil : parts.joined(separator: ":")
    }

    private var mastering: AVMasteringDisplayMetadata? {
        guard let display, display.count >= MemoryLayout<AVMasteringDisplayMetadata>.size else {
            return nil
        }
        return display.withUnsafeBytes { $0.loadUnaligned(as: AVMasteringDisplayMetadata.self) }
    }

    private var levels: AVContentLightMetadata? {
        guard let content, content.count >= MemoryLayout<AVContentLightMetadata>.size else {
            return nil
        }
        return content.withUnsafeBytes { $0.loadUnaligned(as: AVContentLightMetadata.self) }
    }

    // MARK: - As numbers

    /// The mastering display as `PictureMarks` has it.
    var displayNumbers: [Int32]? {
        guard let d = mastering, d.has_primaries != 0, d.has_luminance != 0 else { return nil }
        let (r, g, b) = d.display_primaries
        return [
            r.0, r.1, g.0, g.1, b.0, b.1, d.white_point.0, d.white_point.1, d.min_luminance,
            d.max_luminance,
        ].flatMap { [$0.num, $0.den] }
    }

    /// The light levels as `PictureMarks` has them.
    var contentNumbers: [UInt32]? { levels.map { [$0.MaxCLL, $0.MaxFALL] } }

    /// Of numbers as `PictureMarks` has them; what makes no sense is left out.
    init(display numbers: [Int32]?, content: [UInt32]?) {
        if let numbers, numbers.count == 20, numbers.allSatisfy({ $0 >= 0 }),
            stride(from: 1, to: 20, by: 2).allSatisfy({ numbers[$0] > 0 })
        {
            let r = (0..<10).map { AVRational(num: numbers[2 * $0], den: numbers[2 * $0 + 1]) }
            var d = AVMasteringDisplayMetadata()
            d.display_primaries = ((r[0], r[1]), (r[2], r[3]), (r[4], r[5]))
            d.white_point = (r[6], r[7])
            (d.min_luminance, d.max_luminance) = (r[8], r[9])
            (d.has_primaries, d.has_luminance) = (1, 1)
            display = withUnsafeBytes(of: d) { Array($0) }
        }
        if let content, content.count == 2 {
            var c = AVContentLightMetadata()
            (c.MaxCLL, c.MaxFALL) = (content[0], content[1])
            self.content = withUnsafeBytes(of: c) { Array($0) }
        }
    }
}
