import CFFmpeg

/// A frame as its video stores it, which is made a picture only where one is looked at.
package final class StoredFrame {
    let frame: UnsafeMutablePointer<AVFrame>
    /// In the stream's time base.
    package let pts, duration: Int64

    /// Keeps a decoded frame; nil where there is no memory.
    init?(_ decoded: UnsafeMutablePointer<AVFrame>, pts: Int64, duration: Int64) {
        guard let frame = av_frame_clone(decoded) else { return nil }
        (self.frame, self.pts, self.duration) = (frame, pts, duration)
    }

    deinit {
        var frame: UnsafeMutablePointer<AVFrame>? = frame
        av_frame_free(&frame)
    }
}
