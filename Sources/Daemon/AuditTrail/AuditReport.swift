/// What a verification found.
public struct AuditReport: Hashable, Sendable {
    /// Files read, oldest first.
    public var files: [String] = []
    public var records: UInt64 = 0
    public var bytes: Int = 0
    /// Records of each kind.
    public var kinds: [AuditRecord.Kind: UInt64] = [:]
    /// The first record found: 0 unless older files were moved away.
    public var first: UInt64?
    /// The trail's random id, if its genesis record was found.
    public var trail: String?
    /// The last good record and its hash, for an auditor to note and give to the next verification.
    public var head: AuditHead?
    /// Bytes after the last whole line: a record that is being written, or one that a loss of power cut off.
    public var unfinishedBytes: Int = 0
    /// Where the trail itself says that records may be missing: after a failed sync, or a loss that an administrator
    /// accepted.
    public var gaps: [AuditGap] = []
    /// The first thing that is wrong; `nil` if the trail is whole.
    public var fault: AuditFault?

    public var isWhole: Bool { fault == nil }

    public init() {}
}

/// A place where the trail continued after a fault, and says so.
public struct AuditGap: Hashable, Sendable, CustomStringConvertible {
    /// The record that says so.
    public var sequence: UInt64
    public var file: String
    /// The missing records; `nil` if none of this trail is missing.
    public var missing: ClosedRange<UInt64>?
    /// Whether records are lost: the missing ones, or those of an earlier trail whose loss an administrator accepted.
    public var isLoss: Bool
    /// What the record says.
    public var reason: String

    public var description: String {
        let what =
            switch missing {
            case nil: isLoss ? "a trail that was here is lost" : "no record is missing"
            case let range? where range.lowerBound == range.upperBound: "record \(range.lowerBound) is missing"
            case let range?: "records \(range.lowerBound) to \(range.upperBound) are missing"
            }
        return "\(what) before record \(sequence): \(reason)"
    }
}

extension AuditEntry {
    /// Where the trail says with this record that records may be missing; `nil` if it does not.
    /// - Parameter last: The record that came before it, and that it follows; `nil` for the first one.
    public func gap(after last: AuditHead?, file: String) -> AuditGap? {
        if record.missingFrom != nil {
            guard let last else { return nil }
            let should = last.sequence &+ 1, missing = record.sequence > should ? should...(record.sequence - 1) : nil
            return AuditGap(
                sequence: record.sequence, file: file, missing: missing, isLoss: missing != nil,
                reason: record.detail ?? "the trail continued here")
        }
        // A trail that was started anew follows no record of the lost one.
        guard record.operation == AuditRecord.acceptance else { return nil }
        return AuditGap(sequence: record.sequence, file: file, missing: nil, isLoss: true, reason: record.detail ?? "")
    }
}

/// Where a trail is broken, and how.
public struct AuditFault: Hashable, Sendable, CustomStringConvertible {
    /// Stable codes.
    public enum Kind: String, CaseIterable, Sendable {
        /// A record's content does not match its hash, or another record has replaced it.
        case changed
        /// Records are missing before this one.
        case removed
        /// A record that does not belong here.
        case inserted
        /// Records are not in the order in which they were written.
        case reordered
        /// The trail ends before the head that was expected.
        case truncated
        /// The expected head is in the trail with another hash: the trail was rewritten.
        case rewritten
        /// A line that is not a record.
        case malformed
        /// The trail does not begin with its genesis record.
        case beginningMissing = "beginning-missing"
    }

    public var kind: Kind
    public var file: String
    /// From 1.
    public var line: Int
    /// The sequence that the record there claims or should have.
    public var sequence: UInt64?
    /// One sentence.
    public var message: String

    public init(_ kind: Kind, file: String, line: Int, sequence: UInt64?, message: String) {
        self.kind = kind
        self.file = file
        self.line = line
        self.sequence = sequence
        self.message = message
    }

    public var description: String { "\(file):\(line): \(kind.rawValue): \(message)" }
}
