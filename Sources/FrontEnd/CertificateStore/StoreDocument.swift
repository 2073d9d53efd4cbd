import StrictJSON

/// A JSON file of the store: one object with a format version and a kind, read strictly.
protocol StoreDocument {
    /// The kind that the file states, so that one kind is never read as another.
    static var kind: String { get }
    /// The format that is written; it and all earlier ones are read.
    static var version: Int64 { get }
    func write(_ writer: inout JSONWriter)
    /// The format of this file: the earliest that has all that is in it, so that earlier versions can read the others.
    var format: Int64 { get }
    /// Throws any error; the reader turns it into a `StoreError`.
    init(_ object: JSONObject) throws
}

/// The files' format number. A program refuses files of a newer format: rewriting them could lose data.
enum StoreFormat {
    /// For kinds of files without a separate number.
    static let version: Int64 = 1
    /// The maximum size of a file in bytes: 1,000 identifiers with three steps each take 600 KB.
    static let maximumSize = 4 << 20
}

extension StoreDocument {
    static var version: Int64 { StoreFormat.version }
    var format: Int64 { Self.version }

    /// The file's bytes, parsed as a test: what the next run could not read is refused now, before anything is lost.
    func encoded(for path: String) throws(StoreError) -> [UInt8] {
        let bytes = text
        guard bytes.count <= StoreFormat.maximumSize else { throw StoreError(.damaged, path: path, message: "the file would be too large") }
        _ = try Self(bytes, path: path)
        return bytes
    }

    /// A single line, for programs that read line by line.
    private var text: [UInt8] {
        var writer = JSONWriter(reservingCapacity: 1_024)
        writer.beginObject()
        writer.member("version", format)
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
                    message: "a newer version of this program wrote the file (format \(version); this version reads up to \(Self.version))")
            }
            guard version > 0, try object.string("kind") == Self.kind else {
                throw StoreError(.damaged, path: path, message: "the file is not of kind \(Self.kind)")
            }
            try self.init(object)
        } catch let error as StoreError where error.path != nil {
            throw error
        } catch {
            throw StoreError(.damaged, path: path, message: "the \(Self.kind) file is damaged: \(error)")
        }
    }
}
