import CFFmpeg

/// Decodes the sound of a track and encodes it anew, where a container does not take it as it is.
final class AudioTranscoder {
    /// Unit of the times of packets that come in, and of those that go out.
    let inputTimeBase, timeBase: Rational

    private let url: String
    private let name: String
    private var decoder: UnsafeMutablePointer<AVCodecContext>?
    private var encoder: UnsafeMutablePointer<AVCodecContext>?
    private var graph: UnsafeMutablePointer<AVFilterGraph>?
    private var source: UnsafeMutablePointer<AVFilterContext>?
    private var sink: UnsafeMutablePointer<AVFilterContext>?
    private var frame = av_frame_alloc()
    private var filtered = av_frame_alloc()
    private var packet = av_packet_alloc()
    private let layout: String
    private var inputLook = ""
    private var nextPTS: Int64 = 0

    /// Opens a decoder for a track and an encoder of this name.
    ///
    /// - Throws: `.usage` for an encoder that there is not or that the container does not take.
    init(
        _ track: CopiedTrack, codec name: String, _ container: OutputContainer, url: String
    ) throws(VideoIOError) {
        (self.url, self.name, inputTimeBase) = (url, track.name, track.timeBase)
        let named = avcodec_descriptor_get_by_name(name).flatMap {
            avcodec_find_encoder($0.pointee.id)
        }
        guard let codec = avcodec_find_encoder_by_name(name) ?? named,
            codec.pointee.type == AVMEDIA_TYPE_AUDIO
        else { throw .usage("--acodec \(name): no such audio encoder") }
        if avformat_query_codec(container.format, codec.pointee.id, 0) == 0 {
            throw .usage("--acodec \(name): \(container.name) cannot hold it")
        }
        guard let own = avcodec_find_decoder(track.parameters.pointee.codec_id),
            let decoder = avcodec_alloc_context3(own), let encoder = avcodec_alloc_context3(codec)
        else {
            throw .failure(url: url, problem: "--acodec \(name): \(track.name) cannot be decoded")
        }
        (self.decoder, self.encoder) = (decoder, encoder)
        let sound = track.parameters.pointee
        let rate = AudioTranscoder.rate(near: sound.sample_rate, codec)
        encoder.pointee.sample_rate = rate
        encoder.pointee.sample_fmt = codec.pointee.sample_fmts?.pointee ?? AV_SAMPLE_FMT_S16
        AudioTranscoder.setLayout(encoder, codec, like: track.parameters)
        encoder.pointee.time_base = AVRational(num: 1, den: rate)
        encoder.pointee.bit_rate = 96_000 * Int64(encoder.pointee.ch_layout.nb_channels)
        encoder.pointee.strict_std_compliance = -2  // FLAC in mp4, for one
        if container.format.pointee.flags & AVFMT_GLOBALHEADER != 0 {
            encoder.pointee.flags |= AV_CODEC_FLAG_GLOBAL_HEADER
        }
        timeBase = Rational(1, rate)
        var text = [CChar](repeating: 0, count: 256)
        av_channel_layout_describe(&encoder.pointee.ch_layout, &text, text.count)
        layout = String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        decoder.pointee.pkt_timebase = track.timeBase.av
        try check(avcodec_parameters_to_context(decoder, track.parameters), "decoding")
        try check(avcodec_open2(decoder, own, nil), "decoding")
        try check(avcodec_open2(encoder, codec, nil), "opening the encoder \(name)")
    }

    deinit {
        avfilter_graph_free(&graph)
        avcodec_free_context(&decoder)
        avcodec_free_context(&encoder)
        av_frame_free(&frame)
        av_frame_free(&filtered)
        av_packet_free(&packet)
    }

    private func check(_ code: Int32, _ what: String) throws(VideoIOError) {
        if code >= 0 { return }
        throw .failure(
            url: url, problem: "\(name): \(what) failed: \(libavMessage(code).lowercased())")
    }

    /// The rate itself where the encoder takes it, else the nearest above, or the highest.
    private static func rate(near wanted: Int32, _ codec: UnsafePointer<AVCodec>) -> Int32 {
        guard var entry = codec.pointee.supported_samplerates else { return max(wanted, 1) }
        var rates: [Int32] = []
        while entry.pointee != 0 {
            rates.append(entry.pointee)
            entry += 1
        }
        return rates.filter { $0 >= wanted }.min() ?? rates.max() ?? max(wanted, 1)
    }

    /// The input's channels where the encoder takes them, else two.
    private static func setLayout(
        _ encoder: UnsafeMutablePointer<AVCodecContext>, _ codec: UnsafePointer<AVCodec>,
        like parameters: UnsafeMutablePointer<AVCodecParameters>
    ) {
        let channels = parameters.pointee.ch_layout.nb_channels
        if parameters.pointee.ch_layout.order == AV_CHANNEL_ORDER_NATIVE {
            av_channel_layout_copy(&encoder.pointee.ch_layout, &parameters.pointee.ch_layout)
        } else {
            av_channel_layout_default(&encoder.pointee.ch_layout, max(channels, 1))
        }
        guard var entry = codec.pointee.ch_layouts else { return }
        while entry.pointee.nb_channels != 0 {
            if av_channel_layout_compare(entry, &encoder.pointee.ch_layout) == 0 { return }
            entry += 1
        }
        av_channel_layout_default(&encoder.pointee.ch_layout, min(max(channels, 1), 2))
    }

    /// Gives an output's stream the encoder's properties.
    func describe(_ stream: UnsafeMutablePointer<AVStream>) throws(VideoIOError) {
        stream.pointee.time_base = timeBase.av
        try check(
            avcodec_parameters_from_context(stream.pointee.codecpar, encoder), "preparing")
    }

    // MARK: - Packets

    /// Takes a packet, moved to an earlier time, and gives those that are ready.
    func take(
        _ given: CopiedPacket, shift: Int64, _ body: (UnsafeMutablePointer<AVPacket>) -> Void
    ) throws(VideoIOError) {
        let raw = given.packet
        if raw.pointee.pts != vt_no_pts { raw.pointee.pts &-= shift }
        if raw.pointee.dts != vt_no_pts { raw.pointee.dts &-= shift }
        if try decodes(avcodec_send_packet(decoder, raw)) { try decode(body) }
    }

    /// Gives all that is left.
    func finish(_ body: (UnsafeMutablePointer<AVPacket>) -> Void) throws(VideoIOError) {
        _ = try decodes(avcodec_send_packet(decoder, nil))
        try decode(body)
        if source != nil, try gives(av_buffersrc_add_frame_flags(source, nil, 0), "resampling") {
            try encode(body)
        }
        _ = try gives(avcodec_send_frame(encoder, nil), "encoding")
        try drain(body)
    }

    /// Whether an encoder or a filter gave something, or took it, and is not at an end.
    private func gives(_ code: Int32, _ doing: String) throws(VideoIOError) -> Bool {
        if code == vt_error_again || code == vt_error_eof { return false }
        try check(code, doing)
        return true
    }

    /// Whether the decoder did; damaged sound is left out, but a lack of memory is no damage.
    private func decodes(_ code: Int32) throws(VideoIOError) -> Bool {
        if code == vt_error_no_memory { try check(code, "decoding") }
        return code >= 0
    }

    private func decode(_ body: (UnsafeMutablePointer<AVPacket>) -> Void) throws(VideoIOError) {
        guard let frame else { return }
        while try decodes(avcodec_receive_frame(decoder, frame)) {
            frame.pointee.pts = frame.pointee.best_effort_timestamp
            try prepare(frame, body)
            try check(av_buffersrc_add_frame_flags(source, frame, 0), "resampling")
            try encode(body)
        }
    }

    /// Filters for frames that look like this one.
    private func prepare(
        _ frame: UnsafeMutablePointer<AVFrame>, _ body: (UnsafeMutablePointer<AVPacket>) -> Void
    ) throws(VideoIOError) {
        guard let encoder else { return }
        if frame.pointee.ch_layout.order != AV_CHANNEL_ORDER_NATIVE {
            let channels = frame.pointee.ch_layout.nb_channels
            av_channel_layout_default(&frame.pointee.ch_layout, channels)
        }
        var text = [CChar](repeating: 0, count: 256)
        av_channel_layout_describe(&frame.pointee.ch_layout, &text, text.count)
        let own = String(
            decoding: text.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        let look =
            "time_base=\(inputTimeBase.numerator)/\(inputTimeBase.denominator):"
            + "sample_rate=\(frame.pointee.sample_rate):sample_fmt=\(frame.pointee.format):"
            + "channel_layout=\(own)"
        if look == inputLook { return }
        if source != nil, av_buffersrc_add_frame_flags(source, nil, 0) >= 0 { try encode(body) }
        avfilter_graph_free(&graph)
        (source, sink, inputLook) = (nil, nil, look)
        graph = avfilter_graph_alloc()
        try check(
            avfilter_graph_create_filter(
                &source, avfilter_get_by_name("abuffer"), "in", look, nil, graph), "resampling")
        try check(
            avfilter_graph_create_filter(
                &sink, avfilter_get_by_name("abuffersink"), "out", nil, nil, graph), "resampling")
        var (inputs, outputs) = (avfilter_inout_alloc(), avfilter_inout_alloc())
        defer {
            avfilter_inout_free(&inputs)
            avfilter_inout_free(&outputs)
        }
        outputs?.pointee.name = av_strdup("in")
        outputs?.pointee.filter_ctx = source
        inputs?.pointee.name = av_strdup("out")
        inputs?.pointee.filter_ctx = sink
        let format = av_get_sample_fmt_name(encoder.pointee.sample_fmt).map { String(cString: $0) }
        let chain =
            "aresample,aformat=sample_fmts=\(format ?? "s16"):"
            + "sample_rates=\(encoder.pointee.sample_rate):channel_layouts=\(layout)"
        try check(
            avfilter_graph_parse_ptr(graph, chain, &inputs, &outputs, nil), "resampling")
        try check(avfilter_graph_config(graph, nil), "resampling")
        let variable =
            encoder.pointee.codec.pointee.capabilities
            & Int32(AV_CODEC_CAP_VARIABLE_FRAME_SIZE)
        if variable == 0, encoder.pointee.frame_size > 0 {
            av_buffersink_set_frame_size(sink, UInt32(encoder.pointee.frame_size))
        }
    }

    private func encode(_ body: (UnsafeMutablePointer<AVPacket>) -> Void) throws(VideoIOError) {
        guard let filtered else { return }
        while try gives(av_buffersink_get_frame(sink, filtered), "resampling") {
            let base = av_buffersink_get_time_base(sink)
            let given = filtered.pointee.pts
            let pts = given == vt_no_pts ? nextPTS : av_rescale_q(given, base, timeBase.av)
            filtered.pointee.pts = max(pts, nextPTS)
            nextPTS = filtered.pointee.pts &+ Int64(filtered.pointee.nb_samples)
            try check(avcodec_send_frame(encoder, filtered), "encoding")
            av_frame_unref(filtered)
            try drain(body)
        }
    }

    private func drain(_ body: (UnsafeMutablePointer<AVPacket>) -> Void) throws(VideoIOError) {
        guard let packet else { return }
        while try gives(avcodec_receive_packet(encoder, packet), "encoding") {
            body(packet)
            av_packet_unref(packet)
        }
    }
}
