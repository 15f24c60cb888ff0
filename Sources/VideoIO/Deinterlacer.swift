import CFFmpeg

/// Makes whole frames of fields, one for each frame that a decoder gives.
final class Deinterlacer {
    private let fields: PictureTraits.FieldOrder?
    private let url: String
    private var filter: FieldFilter?
    private var look: PixelConverter.Input?
    private var waiting: UnsafeMutablePointer<AVFrame>?  // the first of another look
    private var result: UnsafeMutablePointer<AVFrame>?
    private var end: Result<Void, VideoIOError>?

    /// Where frames do not say that they are made of fields, all are taken as such; `fields` says
    /// which one comes first then.
    init(fields: PictureTraits.FieldOrder?, url: String) {
        (self.fields, self.url) = (fields, url)
        result = av_frame_alloc()
    }

    deinit {
        av_frame_free(&waiting)
        av_frame_free(&result)
    }

    /// The next whole frame, valid until the next call, or nil at the end. Frames that a fault of
    /// the decoder follows come before it is thrown.
    func next(
        _ decode: () throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>?
    ) throws(VideoIOError) -> UnsafeMutablePointer<AVFrame>? {
        guard let result else { throw .failure(url: url, problem: "no memory") }
        while true {
            av_frame_unref(result)
            if let filter, try filter.pop(into: result) { return result }
            if let first = waiting {
                filter = try FieldFilter(like: first, fields: fields, url: url)
                look = PixelConverter.Input(first)
                try filter?.push(first)
                av_frame_free(&waiting)
                continue
            }
            if let end {
                try end.get()
                return nil
            }
            let decoded: UnsafeMutablePointer<AVFrame>?
            do {
                decoded = try decode()
                if decoded == nil { end = .success(()) }
            } catch {
                decoded = nil
                end = .failure(error)
            }
            if let decoded, let filter, look == PixelConverter.Input(decoded) {
                try filter.push(decoded)
                continue
            }
            try filter?.push(nil)
            if let decoded {
                waiting = av_frame_clone(decoded)
                if waiting == nil { throw .failure(url: url, problem: "no memory") }
            }
        }
    }
}

extension PixelConverter.Input {
    /// The look of a decoded frame.
    init(_ frame: UnsafeMutablePointer<AVFrame>) {
        self.init(
            size: PictureSize(width: Int(frame.pointee.width), height: Int(frame.pointee.height)),
            format: AVPixelFormat(rawValue: frame.pointee.format))
    }
}

/// libavfilter's bwdif. It looks at the frame behind, so results come one frame later.
private final class FieldFilter {
    private var graph: UnsafeMutablePointer<AVFilterGraph>?
    private var source: UnsafeMutablePointer<AVFilterContext>?
    private var sink: UnsafeMutablePointer<AVFilterContext>?
    private var times: [Times] = []
    private let url: String
    private var count: Int64 = 0
    private var ended = false

    /// What the filter does not give back as it was.
    private struct Times {
        let pts: Int64
        let duration: Int64
    }

    /// A filter for frames like this one. Where frames do not say that they are made of fields, all
    /// are taken as such; `fields` says which one comes first then.
    init(
        like frame: UnsafeMutablePointer<AVFrame>, fields: PictureTraits.FieldOrder?, url: String
    ) throws(VideoIOError) {
        self.url = url
        let marked = vt_is_interlaced(frame) != 0
        let order = fields.map { $0 == .top ? "tff" : "bff" } ?? "auto"
        let settings =
            "mode=send_frame:parity=\(marked ? "auto" : order):"
            + "deint=\(marked ? "interlaced" : "all")"
        graph = avfilter_graph_alloc()
        guard let graph else { throw .failure(url: url, problem: "no memory") }
        graph.pointee.nb_threads = 1
        let arguments =
            "video_size=\(frame.pointee.width)x\(frame.pointee.height):"
            + "pix_fmt=\(frame.pointee.format):time_base=1/1000:pixel_aspect=1/1"
        var bwdif: UnsafeMutablePointer<AVFilterContext>?
        var code = avfilter_graph_create_filter(
            &source, avfilter_get_by_name("buffer"), "in", arguments, nil, graph)
        if code >= 0 {
            code = avfilter_graph_create_filter(
                &bwdif, avfilter_get_by_name("bwdif"), "fields", settings, nil, graph)
        }
        if code >= 0 {
            code = avfilter_graph_create_filter(
                &sink, avfilter_get_by_name("buffersink"), "out", nil, nil, graph)
        }
        if code >= 0 { code = avfilter_link(source, 0, bwdif, 0) }
        if code >= 0 { code = avfilter_link(bwdif, 0, sink, 0) }
        if code >= 0 { code = avfilter_graph_config(graph, nil) }
        if code < 0 {
            throw .badInput(
                url: url,
                problem: "--deinterlace: frames of \(frame.pointee.width)x\(frame.pointee.height) "
                    + "cannot be deinterlaced: \(libavMessage(code).lowercased())")
        }
    }

    deinit { avfilter_graph_free(&graph) }

    /// Gives it a frame, whose data it takes; nil for the end.
    func push(_ frame: UnsafeMutablePointer<AVFrame>?) throws(VideoIOError) {
        if let frame {
            times.append(
                Times(
                    pts: frame.pointee.best_effort_timestamp, duration: vt_frame_duration(frame)))
            frame.pointee.pts = count
            count += 1
        } else {
            if ended { return }
            ended = true
        }
        let code = av_buffersrc_add_frame_flags(source, frame, 0)
        if code < 0 { throw failed(code) }
    }

    /// Takes a frame out; false where one more is needed, or the end is there.
    func pop(into frame: UnsafeMutablePointer<AVFrame>) throws(VideoIOError) -> Bool {
        let code = av_buffersink_get_frame(sink, frame)
        if code == vt_error_again || code == vt_error_eof { return false }
        if code < 0 { throw failed(code) }
        guard !times.isEmpty else { return false }
        let own = times.removeFirst()
        frame.pointee.best_effort_timestamp = own.pts
        frame.pointee.pts = own.pts
        vt_set_frame_duration(frame, own.duration)
        vt_set_progressive(frame)
        return true
    }

    private func failed(_ code: Int32) -> VideoIOError {
        code == vt_error_no_memory
            ? .failure(url: url, problem: "no memory")
            : .badInput(url: url, problem: "deinterlacing failed: \(libavMessage(code))")
    }
}
