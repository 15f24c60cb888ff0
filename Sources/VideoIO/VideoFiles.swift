import CFFmpeg

/// Tells videos from other files.
public enum VideoFiles {
    /// What a file's name says.
    public enum Likeness: Sendable {
        /// The ending of a video.
        case certain
        /// An ending that sound, text or videos may have: `hasVideo` tells.
        case possible
        /// Something else.
        case none
    }

    /// Endings that libav gives to containers of video and that are used for sound or one picture.
    private static let ambiguous: Set<String> = [
        "apng", "avif", "gif", "ico", "isma", "m4a", "m4b", "mka", "oga", "ogg", "opus", "ra",
        "spx", "webp", "wma",
    ]

    /// Whether a file of this name is a video, as far as libav knows endings.
    public static func likeness(_ name: String) -> Likeness {
        guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return .none }
        if ambiguous.contains(name[name.index(after: dot)...].lowercased()) { return .possible }
        if let format = av_guess_format(nil, name, nil) {
            // Sound files may hold a cover, which libav counts as video.
            let still = [AV_CODEC_ID_NONE, AV_CODEC_ID_PNG, AV_CODEC_ID_MJPEG]
            if !still.contains(format.pointee.video_codec),
                String(cString: format.pointee.name) != "image2"
            {
                return .certain
            }
        }
        var state: UnsafeMutableRawPointer?
        while let format = av_demuxer_iterate(&state) {
            if let endings = format.pointee.extensions, av_match_ext(name, endings) != 0 {
                return .possible
            }
        }
        return .none
    }

    /// Endings whose containers take any size, rate and number of frames.
    private static let plain: Set<String> = [
        "avi", "mkv", "mov", "mp4", "nut", "ts", "webm", "y4m",
    ]

    /// What a video of this name is called when it is written anew: as before, where a format writes files
    /// with such an ending; with another ending behind it where none does.
    ///
    /// - Throws: `VideoIOError.usage` for a format that is none.
    package static func writtenName(
        _ name: String, format: String?
    ) throws(VideoIOError) -> String {
        guard let format else {
            let ending = name.unicodeScalars.lastIndex(of: ".").map {
                String(name.unicodeScalars[name.unicodeScalars.index(after: $0)...]).lowercased()
            }
            return plain.contains(ending ?? "") ? name : "\(name).mp4"
        }
        guard let found = av_guess_format(format, nil, nil) else {
            throw .usage("--output-format \(format): no such output format")
        }
        guard let endings = found.pointee.extensions else { return "\(name).\(format)" }
        if av_match_ext(name, endings) != 0 { return name }
        return "\(name).\(String(cString: endings).prefix { $0 != "," })"
    }

    /// Whether a regular file holds video: moving pictures, not one still or a cover.
    public static func hasVideo(_ path: String) -> Bool {
        var options = InputOptions(url: path)
        options.copiesTracks = false
        guard
            let reader = try? VideoReader(
                options, fit: .stretch, size: nil, cancellation: Cancellation()),
            (try? reader.next()) != nil
        else { return false }
        return (try? reader.next()) != nil
    }
}
