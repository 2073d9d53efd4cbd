import ACME

/// A list that a grant leaves empty although some of its operations need one. An empty list matches nothing, so those
/// operations are not granted.
public struct GrantLack: Hashable, Sendable, CustomStringConvertible {
    /// As in the configuration: `keys`, `cas`, `identifiers`.
    public var setting: String
    /// In order.
    public var operations: [Operation]
    /// Whether these are all operations of the grant.
    public var isAll: Bool

    public var description: String {
        let what = isAll ? "allows nothing" : "does not allow \(operations.map(\.rawValue).joined(separator: ", "))"
        return "\(what): it has no \"\(setting)\""
    }
}

extension Grant {
    /// What its own operations lack, the lack that blocks the most first.
    public var lacking: [GrantLack] {
        var left = operations
        return [
            ("keys", keys.isEmpty, { (operation: Operation) in operation.isAboutKeys }), ("cas", cas.isEmpty, \.isForCA),
            ("identifiers", identifiers.isEmpty, \.needsIdentifiers),
        ].compactMap { (setting: String, isEmpty: Bool, needs: (Operation) -> Bool) in
            let hindered = left.filter(needs)
            guard isEmpty, !hindered.isEmpty else { return nil }
            left.subtract(hindered)
            return GrantLack(
                setting: setting, operations: hindered.sorted { $0.rawValue < $1.rawValue }, isAll: hindered.count == operations.count)
        }
    }
}
