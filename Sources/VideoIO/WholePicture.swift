import Glibc

/// Whether the file of a picture has its end.
enum WholePicture {
    /// What is wrong with the open file of a JPEG, PNG or WebP; nil for others.
    static func problem(_ descriptor: Int32) -> String? {
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_size < 256 << 20 else { return nil }
        let size = Int64(status.st_size)
        if size == 0 { return "expected a picture, found no data" }
        func bytes(_ offset: Int64, _ count: Int) -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            let got = pread(descriptor, &bytes, count, Int(offset))
            return Array(bytes.prefix(max(got, 0)))
        }
        let start = bytes(0, 4)
        if start.starts(with: [0xff, 0xd8]) { return jpeg(bytes(0, Int(size))) }
        let format = start.starts(with: [0x89, 0x50]) ? "png_pipe" : "webp_pipe"
        return PromisedLength(size: size, bytes: bytes).missing(format).map {
            "truncated: expected \($0) bytes, found \(size)"
        }
    }

    /// What is wrong with a JPEG: its end stands behind the compressed data, not in a preview.
    static func jpeg(_ bytes: [UInt8]) -> String? {
        var at = 2
        while at + 4 <= bytes.count, bytes[at] == 0xff {
            let marker = bytes[at + 1]
            if marker == 0xd9 { return nil }
            if marker == 0xff || marker == 0x01 || (0xd0...0xd7).contains(marker) {
                at += marker == 0xff ? 1 : 2
                continue
            }
            at += 2 + Int(bytes[at + 2]) << 8 + Int(bytes[at + 3])
            if marker != 0xda { continue }
            // Compressed data, in which 0xff stands before 0 or a restart's number only.
            while at + 1 < bytes.count,
                bytes[at] != 0xff || bytes[at + 1] == 0 || (0xd0...0xd7).contains(bytes[at + 1])
            { at += 1 }
        }
        if at + 1 < bytes.count, bytes[at] == 0xff, bytes[at + 1] == 0xd9 { return nil }
        return "truncated: expected the end of the picture, found the end of the file"
    }
}
