import CFFmpeg

/// Small pictures for reports.
public enum JPEGEncoder {
    /// A frame as JPEG, at most `maximumWidth` pixels wide.
    ///
    /// - Throws: `VideoIOError.failure` where the libraries fail.
    public static func encode(
        _ frame: RGBFrame, maximumWidth: Int = 320
    ) throws(VideoIOError) -> [UInt8] {
        func check(_ code: Int32) throws(VideoIOError) {
            if code < 0 { throw .failure(url: "JPEG", problem: libavMessage(code)) }
        }
        let width = min(frame.width, maximumWidth)
        let size = PictureSize(
            width: width, height: max(frame.height * width / max(frame.width, 1), 1))
        var (picture, packet) = (av_frame_alloc(), av_packet_alloc())
        var encoder = avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_MJPEG))
        defer {
            av_frame_free(&picture)
            av_packet_free(&packet)
            avcodec_free_context(&encoder)
        }
        guard let picture, let packet, let encoder else {
            throw .failure(url: "JPEG", problem: "no memory")
        }
        try check(RGBPicture.fill(picture, frame))
        let format = av_get_pix_fmt("yuvj444p")
        let converter = try PixelConverter(
            PixelConverter.Input(
                size: PictureSize(width: frame.width, height: frame.height),
                format: frame.depth == .eight ? vt_rgb24 : vt_rgb48),
            timeBase: Rational(1, 25),
            filters: "scale=\(size.width):\(size.height):out_range=pc", output: format, url: "JPEG")
        let scaled = try converter.convert(picture, url: "JPEG")
        encoder.pointee.width = Int32(size.width)
        encoder.pointee.height = Int32(size.height)
        encoder.pointee.pix_fmt = format
        encoder.pointee.color_range = AVCOL_RANGE_JPEG
        encoder.pointee.time_base = AVRational(num: 1, den: 25)
        encoder.pointee.flags |= AV_CODEC_FLAG_QSCALE
        encoder.pointee.global_quality = 3 * FF_QP2LAMBDA
        try check(avcodec_open2(encoder, encoder.pointee.codec, nil))
        scaled.pointee.quality = 3 * FF_QP2LAMBDA
        scaled.pointee.pts = 0
        try check(avcodec_send_frame(encoder, scaled))
        try check(avcodec_receive_packet(encoder, packet))
        return Array(
            UnsafeBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size)))
    }
}

/// Puts RGB frames into libav's.
enum RGBPicture {
    /// Gives a frame the size, format and pixels of an RGB frame; a negative code is libav's.
    static func fill(_ picture: UnsafeMutablePointer<AVFrame>, _ frame: RGBFrame) -> Int32 {
        av_frame_unref(picture)
        picture.pointee.width = Int32(frame.width)
        picture.pointee.height = Int32(frame.height)
        picture.pointee.format = (frame.depth == .eight ? vt_rgb24 : vt_rgb48).rawValue
        let code = av_frame_get_buffer(picture, 0)
        guard code >= 0, let base = picture.pointee.data.0 else { return code }
        let row = frame.width * 3 * frame.depth.byteCount
        let stride = Int(picture.pointee.linesize.0)
        frame.bytes.withUnsafeBufferPointer { bytes in
            guard let source = bytes.baseAddress else { return }
            for y in 0..<frame.height {
                (base + y * stride).update(from: source + y * row, count: row)
            }
        }
        return 0
    }
}
