import CFFmpeg

/// Tells videos by their names.
public enum VideoFiles {
    /// Whether a file of this name is a video, as far as libav knows endings.
    public static func hasVideoEnding(_ name: String) -> Bool {
        guard let format = av_guess_format(nil, name, nil) else { return false }
        // Sound files may hold a cover, which libav counts as video.
        let still = [AV_CODEC_ID_NONE, AV_CODEC_ID_PNG, AV_CODEC_ID_MJPEG]
        return !still.contains(format.pointee.video_codec)
            && String(cString: format.pointee.name) != "image2"
    }
}
