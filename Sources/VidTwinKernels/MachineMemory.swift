import Glibc

/// The memory that this process may have at most: the machine's, or what its limits leave of it.
package enum MachineMemory {
    /// In bytes: the smallest of the machine's memory, the limit on address space (`ulimit -v`) and the
    /// limits of the control groups that a container sees as its own (version 2, then 1).
    package static var bytes: Int {
        let (machine, overflow) = sysconf(Int32(_SC_PHYS_PAGES)).multipliedReportingOverflow(
            by: sysconf(Int32(_SC_PAGESIZE)))
        var limits = [overflow || machine <= 0 ? Int.max : machine]
        if let addressSpace { limits.append(addressSpace) }
        for file in ["memory.max", "memory/memory.limit_in_bytes"] {
            if let limit = number(in: "/sys/fs/cgroup/\(file)") { limits.append(limit) }
        }
        return limits.min() ?? .max
    }

    /// Whether there is a limit on address space.
    package static var hasLimitedAddressSpace: Bool { addressSpace != nil }

    private static var addressSpace: Int? {
        var space = rlimit()
        let status = getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &space)
        return status == 0 && space.rlim_cur < Int.max ? Int(space.rlim_cur) : nil
    }

    /// The number that a file holds; nil for `max`, and where there is none.
    private static func number(in path: String) -> Int? {
        guard let file = fopen(path, "r") else { return nil }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 32)
        guard fgets(&line, Int32(line.count), file) != nil else { return nil }
        let digits = line.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: "\n")) }
        return Int(String(decoding: digits.map(UInt8.init(bitPattern:)), as: UTF8.self))
    }
}
