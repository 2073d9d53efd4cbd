/// Counts a daemon's heap allocations: `count-allocations.c`, compiled here and loaded before the C library.
struct AllocationCounter {
    private let library: String
    private let folder: String

    init(workshop: Workshop) throws {
        folder = workshop.folder
        library = folder + "/count-allocations.so"
        try workshop.run([
            "cc", "-O2", "-shared", "-fPIC", "-o", library, "Sources/Benchmark/acme-agent-bench/Agent/count-allocations.c", "-ldl",
        ])
    }

    private func file(_ name: String) -> String { "\(folder)/allocations-\(name)" }

    /// The environment for a daemon whose allocations are counted as `name`.
    func environment(_ name: String) -> [String: String] { ["LD_PRELOAD": library, "ALLOCATIONS_FILE": file(name)] }

    /// Allocations since the daemon's start.
    func count(_ name: String) throws -> UInt64 {
        let bytes = try Files.read(file(name))
        guard bytes.count >= 8 else { throw BenchError("the allocations were not counted") }
        return bytes.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
