import StrictJSON

/// A JSON file of the store: one object with a format version and a kind, read strictly.
protocol StoreDocument {
    /// What the file says it is, so that one kind is never read as another.
    static var kind: String { get }
    /// The format that is written; it and all before are read.
    static var version: Int64 { get }
    func write(_ writer: inout JSONWriter)
    /// Throws anything; the reader makes a `StoreError` of it.
    init(_ object: JSONObject) throws
}

/// The files' format number. A program refuses files of a higher one, since it cannot know what it would lose by writing them again.
enum StoreFormat {
    /// That of files whose kind has no other.
    static let version: Int64 = 1
    /// No file of the store is larger (bytes): 1,000 identifiers with three steps each are 600 KB.
    static let maximumSize = 4 << 20
}

extension StoreDocument {
    static var version: Int64 { StoreFormat.version }

    /// The file's bytes, read back: what the next run could not read is refused now, while nothing is lost.
    func encoded(for path: String) throws(StoreError) -> [UInt8] {
        let bytes = text
        guard bytes.count <= StoreFormat.maximumSize else { throw StoreError(.damaged, path: path, message: "too large to be written") }
        _ = try Self(bytes, path: path)
        return bytes
    }

    /// One line, so that it can be read by other programs line by line.
    private var text: [UInt8] {
        var writer = JSONWriter(reservingCapacity: 1_024)
        writer.beginObject()
        writer.member("version", Self.version)
        writer.member("kind", Self.kind)
        write(&writer)
        writer.endObject()
        return writer.bytes + [UInt8(ascii: "\n")]
    }

    init(_ bytes: [UInt8], path: String) throws(StoreError) {
        do {
            let object = try JSONDocument(parsing: bytes, limits: JSONLimits(allowsNUL: true)).root.object()
            let version = try object.integer("version")
            guard version <= Self.version else {
                throw StoreError(
                    .newerFormat, path: path,
                    message: "written by a newer version of this program (format \(version), known is \(Self.version))")
            }
            guard version > 0, try object.string("kind") == Self.kind else {
                throw StoreError(.damaged, path: path, message: "not a \(Self.kind) file")
            }
            try self.init(object)
        } catch let error as StoreError where error.path != nil {
            throw error
        } catch {
            throw StoreError(.damaged, path: path, message: "a damaged \(Self.kind) file: \(error)")
        }
    }
}
