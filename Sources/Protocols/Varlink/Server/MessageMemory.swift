import StrictJSON

/// Memory for parsing calls and writing replies, reused by all connections of a server. Confined to the server's event
/// loop.
final class MessageMemory {
    private var writer = JSONWriter()
    private var document = JSONDocument.emptyObject

    /// Capacity that the writer keeps between replies and the document between calls, in bytes.
    private static let keptCapacity = 64 * 1024

    /// Writes one object with the shared writer.
    func withWriter<Result>(_ members: (inout JSONWriter) -> Void, _ body: ([UInt8]) -> Result) -> Result {
        // Taken out while other code runs: a closure that answers another call meanwhile finds a fresh writer instead
        // of a conflict.
        var taken = JSONWriter(reservingCapacity: 0)
        swap(&taken, &writer)
        taken.removeAll()
        taken.beginObject()
        members(&taken)
        taken.endObject()
        defer { if taken.bytes.capacity <= MessageMemory.keptCapacity { swap(&taken, &writer) } }
        return body(taken.bytes)
    }

    /// Parses a call into the shared memory. If a service keeps a call beyond its answer, it keeps that memory, and the
    /// next call gets new memory.
    func withDocument<Result>(_ body: (inout JSONDocument) -> Result) -> Result {
        defer { if document.capacity > MessageMemory.keptCapacity { document = .emptyObject } }
        return body(&document)
    }
}
