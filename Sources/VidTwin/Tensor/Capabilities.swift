import VidTwinKernels

/// What computes here, for words and reports.
public enum Capabilities {
    /// The CPU level that our own loops run at (`VIDTWIN_CPU` caps it).
    public static var loopLevel: String { CPULevel.current.rawValue }

    /// The instruction set that oneDNN's products use (`ONEDNN_MAX_CPU_ISA` caps it).
    public static var productLevel: String { ProductSupport.name }

    /// The version of oneDNN that runs, "2.7.2".
    public static var productVersion: String { ProductSupport.version }
}
