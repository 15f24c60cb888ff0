import VidTwinKernels

/// What computes here, for words and reports.
public enum Capabilities {
    /// The CPU level that our own loops run at (`VIDTWIN_CPU` caps it).
    public static var loopLevel: String { CPULevel.current.rawValue }

    /// The instruction set that products use (`ONEDNN_MAX_CPU_ISA` or `OPENBLAS_CORETYPE` caps it).
    public static var productLevel: String { ProductSupport.name }

    /// What multiplies matrices (`VIDTWIN_PRODUCTS` chooses), "oneDNN 2.7.2".
    public static var productLibrary: String { ProductSupport.title }
}
