import CFFmpeg

/// Puts the tracks of an input, its chapters and what it says of itself beside an output's video, as
/// far as the container holds them; what is left out is named.
struct TrackCopier {
    /// What was left out, one sentence each.
    private(set) var notes: [String] = []

    /// A track of the output.
    private struct Place {
        let index: Int32
        let timeBase: Rational
        var last = Int64.min
        var transcoder: AudioTranscoder?
    }

    private let context: UnsafeMutablePointer<AVFormatContext>
    private let container: OutputContainer
    private var places: [Int32: Place] = [:]
    private var covers: [(index: Int32, bytes: [UInt8])] = []
    private var taken: [CopiedTrack] = []
    /// Whether times must go forward, as most containers want it.
    private let isStrict: Bool

    /// Adds tracks to an output, whose only stream is the video, before its header is written.
    init(
        _ copied: CopiedTracks?, _ context: UnsafeMutablePointer<AVFormatContext>,
        _ container: OutputContainer, _ options: OutputOptions, isCut: Bool
    ) throws(VideoIOError) {
        (self.context, self.container) = (context, container)
        isStrict = container.format.pointee.flags & AVFMT_TS_NONSTRICT == 0
        guard let copied else { return }
        var lost = copied.lost
        var lacksSound = false
        for track in copied.tracks {
            if try add(track, options) {
                taken.append(track)
                continue
            }
            lost.append(track.name)
            if track.kind == .sound { lacksSound = true }
        }
        lost += describe(copied, isCut: isCut)
        if lost.isEmpty { return }
        let audio = container.format.pointee.audio_codec
        let advice =
            lacksSound && audio != AV_CODEC_ID_NONE && options.audioCodec == nil
            ? "; --acodec \(String(cString: avcodec_get_name(audio))) encodes sound anew" : ""
        notes.append(
            "left out of the input, as \(container.name) cannot hold it as it is: "
                + lost.joined(separator: ", ") + advice)
    }

    // MARK: - Tracks

    private mutating func add(
        _ track: CopiedTrack, _ options: OutputOptions
    ) throws(VideoIOError) -> Bool {
        if track.kind == .sound, let codec = options.audioCodec {
            if container.format.pointee.audio_codec == AV_CODEC_ID_NONE { return false }
            let transcoder = try AudioTranscoder(track, codec: codec, container, url: options.url)
            guard let stream = avformat_new_stream(context, nil) else { return false }
            try transcoder.describe(stream)
            mark(stream, track)
            places[track.index] = Place(
                index: stream.pointee.index, timeBase: transcoder.timeBase, transcoder: transcoder)
            return true
        }
        guard container.mayHold(track), isTaken(track) else { return false }
        guard let stream = avformat_new_stream(context, nil) else { return false }
        fill(stream, track)
        if track.kind == .cover, !container.holding.contains(.attachments) {
            covers.append((stream.pointee.index, track.picture))
        } else if track.kind == .sound || track.kind == .subtitle {
            places[track.index] = Place(index: stream.pointee.index, timeBase: track.timeBase)
        }
        return true
    }

    private func fill(_ stream: UnsafeMutablePointer<AVStream>, _ track: CopiedTrack) {
        guard let parameters = stream.pointee.codecpar else { return }
        avcodec_parameters_copy(parameters, track.parameters)
        parameters.pointee.codec_tag = 0
        stream.pointee.time_base = track.timeBase.av
        mark(stream, track)
        if track.kind == .cover, container.holding.contains(.attachments) {
            attach(track.picture, parameters)
            stream.pointee.disposition = 0
        } else if track.kind == .cover {
            stream.pointee.disposition = AV_DISPOSITION_ATTACHED_PIC
        }
        if parameters.pointee.codec_type == AVMEDIA_TYPE_ATTACHMENT,
            track.metadata["filename"] == nil
        {
            av_dict_set(&stream.pointee.metadata, "filename", "attachment-\(track.index)", 0)
        }
    }

    private func mark(_ stream: UnsafeMutablePointer<AVStream>, _ track: CopiedTrack) {
        track.metadata.copy(to: &stream.pointee.metadata)
        stream.pointee.disposition = track.disposition
    }

    /// A picture as an attached file.
    private func attach(
        _ picture: [UInt8], _ parameters: UnsafeMutablePointer<AVCodecParameters>
    ) {
        let size = picture.count + Int(AV_INPUT_BUFFER_PADDING_SIZE)
        guard let memory = av_mallocz(size) else { return }
        picture.withUnsafeBytes { bytes in
            if let base = bytes.baseAddress {
                memory.copyMemory(from: base, byteCount: bytes.count)
            }
        }
        av_freep(&parameters.pointee.extradata)
        parameters.pointee.extradata = memory.assumingMemoryBound(to: UInt8.self)
        parameters.pointee.extradata_size = Int32(clamping: picture.count)
        parameters.pointee.codec_type = AVMEDIA_TYPE_ATTACHMENT
    }

    /// Whether the muxer takes a track: it is asked to write a header of it, with the video and the
    /// tracks that it took before, to memory.
    private func isTaken(_ track: CopiedTrack) -> Bool {
        guard let trial = avformat_alloc_context() else { return false }
        defer { avformat_free_context(trial) }
        trial.pointee.oformat = container.format
        trial.pointee.strict_std_compliance = context.pointee.strict_std_compliance
        guard avio_open_dyn_buf(&trial.pointee.pb) >= 0 else { return false }
        defer {
            var bytes: UnsafeMutablePointer<UInt8>?
            avio_close_dyn_buf(trial.pointee.pb, &bytes)
            av_free(bytes)
            trial.pointee.pb = nil
        }
        guard let video = avformat_new_stream(trial, nil), let own = context.pointee.streams[0]
        else { return false }
        avcodec_parameters_copy(video.pointee.codecpar, own.pointee.codecpar)
        video.pointee.time_base = own.pointee.time_base
        video.pointee.avg_frame_rate = own.pointee.avg_frame_rate
        for track in taken + [track] {
            guard let stream = avformat_new_stream(trial, nil) else { return false }
            fill(stream, track)
        }
        return avformat_write_header(trial, nil) >= 0
    }

    // MARK: - What is said

    /// Takes over tags and chapters, and names those that the container has no place for.
    private mutating func describe(_ copied: CopiedTracks, isCut: Bool) -> [String] {
        var lost: [String] = []
        let holding = container.holding
        copied.metadata.copy(to: &context.pointee.metadata)
        if let video = context.pointee.streams[0] {
            copied.videoMetadata.copy(to: &video.pointee.metadata)
            video.pointee.disposition = copied.videoDisposition
        }
        if !holding.contains(.allTags) {
            let kept = holding.contains(.commonTags) ? OutputContainer.commonTags : []
            let tags = copied.metadata.keys.filter { !kept.contains($0.lowercased()) }
            if !tags.isEmpty { lost.append("metadata (\(tags.joined(separator: ", ")))") }
        }
        if !copied.chapters.isEmpty {
            if isCut {
                notes.append(
                    "the chapters of the input are left out: --skip and --frames change their times"
                )
            } else if holding.contains(.chapters) {
                addChapters(copied.chapters)
            } else {
                lost.append("chapters")
            }
        }
        let kept = copied.tracks.filter { places[$0.index] != nil }
        let said = kept.map(\.metadata) + [copied.videoMetadata]
        if !holding.contains(.languages), said.contains(where: { $0["language"] != nil }) {
            lost.append("languages of tracks")
        }
        if !holding.contains(.titles), said.contains(where: { $0["title"] != nil }) {
            lost.append("titles of tracks")
        }
        if kept.contains(where: { $0.disposition & ~container.dispositions != 0 }) {
            lost.append("what tracks are for")
        }
        return lost
    }

    private func addChapters(_ chapters: [CopiedTracks.Chapter]) {
        let size = MemoryLayout<UnsafeMutablePointer<AVChapter>?>.stride * chapters.count
        guard let list = av_mallocz(size) else { return }
        let pointers = list.bindMemory(
            to: UnsafeMutablePointer<AVChapter>?.self, capacity: chapters.count)
        context.pointee.chapters = pointers
        for chapter in chapters {
            guard let memory = av_mallocz(MemoryLayout<AVChapter>.stride) else { return }
            let new = memory.bindMemory(to: AVChapter.self, capacity: 1)
            new.pointee.id = chapter.id
            new.pointee.time_base = chapter.timeBase.av
            (new.pointee.start, new.pointee.end) = (chapter.start, chapter.end)
            chapter.metadata.copy(to: &new.pointee.metadata)
            pointers[Int(context.pointee.nb_chapters)] = new
            context.pointee.nb_chapters += 1
        }
    }

    // MARK: - Packets

    /// Writes the covers, after the header.
    func writeCovers() -> Int32 {
        for cover in covers {
            var packet = av_packet_alloc()
            defer { av_packet_free(&packet) }
            guard let packet, av_new_packet(packet, Int32(clamping: cover.bytes.count)) >= 0 else {
                return vt_error_no_memory
            }
            packet.pointee.data.update(from: cover.bytes, count: cover.bytes.count)
            packet.pointee.stream_index = cover.index
            packet.pointee.flags = AV_PKT_FLAG_KEY
            (packet.pointee.pts, packet.pointee.dts) = (0, 0)
            let code = av_interleaved_write_frame(context, packet)
            if code < 0 { return code }
        }
        return 0
    }

    /// Writes a packet at the frames' times; those of tracks that are left out are passed over, and what
    /// ends before the first frame is, where the container counts from that.
    mutating func write(
        _ packet: CopiedPacket, _ clock: FrameClock
    ) throws(VideoIOError) -> Int32 {
        guard var place = places[packet.track] else { return 0 }
        defer { places[packet.track] = place }
        if let transcoder = place.transcoder {
            var code: Int32 = 0
            let shift = clock.shift(in: transcoder.inputTimeBase.av)
            try transcoder.take(packet, shift: shift) { encoded in
                if code >= 0 { code = put(encoded, &place) }
            }
            return code
        }
        let raw = packet.packet
        let moved = clock.shift(in: place.timeBase.av)
        if raw.pointee.pts != vt_no_pts { raw.pointee.pts &-= moved }
        if raw.pointee.dts != vt_no_pts { raw.pointee.dts &-= moved }
        if !clock.keep(raw) { return 0 }
        return put(raw, &place)
    }

    /// Writes what encoders still hold.
    mutating func finish() throws(VideoIOError) -> Int32 {
        for (track, var place) in places {
            guard let transcoder = place.transcoder else { continue }
            var code: Int32 = 0
            try transcoder.finish { encoded in if code >= 0 { code = put(encoded, &place) } }
            places[track] = place
            if code < 0 { return code }
        }
        return 0
    }

    private func put(_ packet: UnsafeMutablePointer<AVPacket>, _ place: inout Place) -> Int32 {
        guard let output = context.pointee.streams[Int(place.index)] else { return 0 }
        av_packet_rescale_ts(packet, place.timeBase.av, output.pointee.time_base)
        packet.pointee.stream_index = place.index
        packet.pointee.pos = -1
        let dts = packet.pointee.dts
        if dts != vt_no_pts {
            // Damaged inputs, and time bases that are coarser than the input's.
            let least = isStrict ? place.last &+ 1 : place.last
            if place.last != Int64.min, dts < least {
                packet.pointee.dts = least
                if packet.pointee.pts != vt_no_pts, packet.pointee.pts < least {
                    packet.pointee.pts = least
                }
            }
            place.last = packet.pointee.dts
        }
        return av_interleaved_write_frame(context, packet)
    }
}
