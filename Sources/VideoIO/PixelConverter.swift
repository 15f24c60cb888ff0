import CFFmpeg

/// A chain of libavfilter filters between a format that comes in and one that goes out.
final class PixelConverter {
    /// What frames must look like to pass; another look needs another converter.
    struct Input: Equatable {
        let size: PictureSize
        let format: AVPixelFormat
        static func == (a: Input, b: Input) -> Bool {
            a.size == b.size && a.format.rawValue == b.format.rawValue
        }
    }

    /// Whether a frame that cannot be converted is the input's fault.
    private let readsInput: Bool
    let input: Input
    private var graph: UnsafeMutablePointer<AVFilterGraph>?
    private var source: UnsafeMutablePointer<AVFilterContext>?
    private var sink: UnsafeMutablePointer<AVFilterContext>?
    private var result: UnsafeMutablePointer<AVFrame>?

    /// A chain of `filters`, written as on ffmpeg's command line, that ends in format `output`.
    init(
        _ input: Input, timeBase: Rational, filters: String, output: AVPixelFormat, url: String,
        readsInput: Bool = false
    ) throws(VideoIOError) {
        self.input = input
        self.readsInput = readsInput
        func failed(_ what: String, _ code: Int32) -> VideoIOError {
            PixelConverter.fault(url, what, code, readsInput)
        }
        graph = avfilter_graph_alloc()
        result = av_frame_alloc()
        guard let graph, result != nil else { throw failed("scaling", vt_error_no_memory) }
        graph.pointee.nb_threads = 1
        graph.pointee.scale_sws_opts = av_strdup("flags=\(PixelConverter.flags)")
        let arguments =
            "video_size=\(input.size):pix_fmt=\(input.format.rawValue):"
            + "time_base=\(timeBase.numerator)/\(timeBase.denominator):pixel_aspect=1/1"
        var code = avfilter_graph_create_filter(
            &source, avfilter_get_by_name("buffer"), "in", arguments, nil, graph)
        if code < 0 { throw failed("preparing frames of \(input.size)", code) }
        code = avfilter_graph_create_filter(
            &sink, avfilter_get_by_name("buffersink"), "out", nil, nil, graph)
        if code < 0 { throw failed("preparing frames", code) }
        code = vt_set_sink_format(sink, output)
        if code < 0 { throw failed("preparing frames", code) }
        var (inputs, outputs) = (avfilter_inout_alloc(), avfilter_inout_alloc())
        defer {
            avfilter_inout_free(&inputs)
            avfilter_inout_free(&outputs)
        }
        guard inputs != nil, outputs != nil else { throw failed("scaling", vt_error_no_memory) }
        outputs?.pointee.name = av_strdup("in")
        outputs?.pointee.filter_ctx = source
        inputs?.pointee.name = av_strdup("out")
        inputs?.pointee.filter_ctx = sink
        code = avfilter_graph_parse_ptr(graph, filters, &inputs, &outputs, nil)
        if code >= 0 { code = avfilter_graph_config(graph, nil) }
        if code < 0 { throw failed("preparing \(filters)", code) }
    }

    deinit {
        av_frame_free(&result)
        avfilter_graph_free(&graph)
    }

    private static func fault(
        _ url: String, _ what: String, _ code: Int32, _ readsInput: Bool
    ) -> VideoIOError {
        if readsInput, code != vt_error_no_memory {
            return .badInput(
                url: url,
                problem: "expected frames that can be scaled, found others: \(what): "
                    + libavMessage(code).lowercased())
        }
        return .failure(url: url, problem: "\(what): \(libavMessage(code))")
    }

    /// swscale's options: what ffmpeg itself uses, and full chroma so that colours stay put.
    static let flags = "bicubic+accurate_rnd+full_chroma_int"

    /// Passes one frame; the result is valid until the next call.
    func convert(
        _ frame: UnsafeMutablePointer<AVFrame>, url: String
    ) throws(VideoIOError) -> UnsafeMutablePointer<AVFrame> {
        guard let result else { throw .failure(url: url, problem: "no memory") }
        av_frame_unref(result)
        var code = av_buffersrc_add_frame_flags(
            source, frame, Int32(AV_BUFFERSRC_FLAG_KEEP_REF))
        if code >= 0 { code = av_buffersink_get_frame(sink, result) }
        if code < 0 {
            throw PixelConverter.fault(url, "converting one of \(input.size)", code, readsInput)
        }
        return result
    }
}

extension Fit {
    /// How many times a target's pixels a picture is scaled to before it is cropped.
    private static let largestScaled = 16

    /// The filters that bring a picture to a size; what `crop` cuts out lies at `place`.
    func filters(
        from source: PictureSize, to target: PictureSize, at place: CropPlace? = nil
    ) -> String {
        let (w, h, W, H) = (source.width, source.height, target.width, target.height)
        switch self {
        case .stretch, .tile:
            return "scale=\(W):\(H)"
        case .crop:
            // The side that fits exactly; the other is rounded down, as the published protocol does.
            let wide = w * H >= h * W
            let (sw, sh) = wide ? (max(w * H / h, W), H) : (W, max(h * W / w, H))
            if sw * sh > Fit.largestScaled * W * H {
                // A strip: its middle alone is scaled, with a few pixels more than are shown.
                let middle =
                    wide
                    ? PictureSize(width: min(W * h / H + 8, w), height: h)
                    : PictureSize(width: w, height: min(H * w / W + 8, h))
                let x = CropPlace.offset(place?.x, in: w - middle.width)
                let y = CropPlace.offset(place?.y, in: h - middle.height)
                return "crop=\(middle.width):\(middle.height):\(x):\(y):exact=1,"
                    + filters(from: middle, to: target, at: place)
            }
            let x = CropPlace.offset(place?.x, in: sw - W)
            let y = CropPlace.offset(place?.y, in: sh - H)
            return "scale=\(sw):\(sh),crop=\(W):\(H):\(x):\(y):exact=1"
        case .pad:
            let wide = w * H >= h * W
            let (sw, sh) = wide ? (W, max(h * W / w, 1)) : (max(w * H / h, 1), H)
            return "scale=\(sw):\(sh),format=gbrp,pad=\(W):\(H):\((W - sw) / 2):\((H - sh) / 2)"
        }
    }
}
