import DurableFile
import StrictJSON

/// The trail's end as the agent's state remembers it: the last record known to be on disk. A trail that ends before it,
/// or has another record in its place, was cut or rewritten while no agent was running.
///
/// Stored at most once a second, so a cut of the last second's records is not noticed; nor is a cut by somebody who can
/// write this file too.
public struct AuditMemory: Sendable {
    let path: String

    private static let format: Int64 = 1
    private static let mode: UInt32 = 0o600
    /// Bytes: a sequence, a hash and their names.
    private static let limit = 1_024

    public init(path: String) { self.path = path }

    /// - Returns: `nil` if nothing is remembered.
    /// - Throws: `AuditError` `.memoryDamaged`, `.newerFormat`, `.unavailable`.
    public func read() throws(AuditError) -> AuditHead? {
        let bytes: [UInt8]
        do throws(FileError) { bytes = try DurableFile.read(path, limit: AuditMemory.limit) } catch {
            if error.isMissing { return nil }
            throw AuditError(
                .unavailable, file: path, errorNumber: error.code, message: "the memory of the audit trail's end cannot be read")
        }
        do {
            let object = try JSONDocument(parsing: bytes).root.object()
            let format = try object.integer("format")
            guard format <= AuditMemory.format else {
                throw AuditError.newer(format, AuditMemory.format, file: path)
            }
            try object.finish(known: ["format", "sequence", "hash"])
            let text = "\(try object.integer("sequence")):\(try object.string("hash"))"
            guard let head = AuditHead(text) else { throw JSONError(.invalidValue, offset: 0, member: "hash") }
            return head
        } catch let error as AuditError {
            throw error
        } catch {
            throw AuditError(.memoryDamaged, file: path, message: "the memory of the audit trail's end is not readable")
        }
    }

    /// Stores a head; it is on disk when this returns.
    /// - Throws: `AuditError` `.unavailable`.
    public func write(_ head: AuditHead, calls: FileCalls = .real) throws(AuditError) {
        var json = JSONWriter()
        json.beginObject()
        json.member("format", AuditMemory.format)
        json.member("sequence", head.sequence)
        json.member("hash", head.hash)
        json.endObject()
        do throws(FileError) {
            try DurableFile.replace(path, with: json.bytes + [UInt8(ascii: "\n")], mode: AuditMemory.mode, calls: calls)
        } catch {
            throw AuditError(
                .unavailable, file: path, errorNumber: error.code, message: "the end of the audit trail could not be stored")
        }
    }
}
