import CFFmpeg

/// Pictures without loss.
package enum PNGEncoder {
    /// A frame of 8 bits as PNG.
    ///
    /// - Throws: `VideoIOError.failure` where the libraries fail.
    package static func encode(_ frame: RGBFrame) throws(VideoIOError) -> [UInt8] {
        func check(_ code: Int32) throws(VideoIOError) {
            if code < 0 { throw .failure(url: "PNG", problem: libavMessage(code)) }
        }
        guard frame.depth == .eight else { throw .failure(url: "PNG", problem: "not 8 bits") }
        var (picture, packet) = (av_frame_alloc(), av_packet_alloc())
        var encoder = avcodec_alloc_context3(avcodec_find_encoder(AV_CODEC_ID_PNG))
        defer {
            av_frame_free(&picture)
            av_packet_free(&packet)
            avcodec_free_context(&encoder)
        }
        guard let picture, let packet, let encoder else {
            throw .failure(url: "PNG", problem: "no memory, or no encoder")
        }
        try check(RGBPicture.fill(picture, frame))
        encoder.pointee.width = Int32(frame.width)
        encoder.pointee.height = Int32(frame.height)
        encoder.pointee.pix_fmt = vt_rgb24
        encoder.pointee.time_base = AVRational(num: 1, den: 25)
        try check(avcodec_open2(encoder, encoder.pointee.codec, nil))
        try check(avcodec_send_frame(encoder, picture))
        try check(avcodec_receive_packet(encoder, packet))
        return Array(
            UnsafeBufferPointer(start: packet.pointee.data, count: Int(packet.pointee.size)))
    }
}
