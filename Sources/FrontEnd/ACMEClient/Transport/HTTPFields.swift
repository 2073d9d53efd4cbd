/// Header fields (RFC 9110 §5) in their order; names are case-insensitive (ASCII).
public struct HTTPFields: Sendable, ExpressibleByDictionaryLiteral {
    /// Names and values, in order.
    public private(set) var fields: [(name: String, value: String)]

    /// From a literal, in its order.
    public init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { (name: $0.0, value: $0.1) }
    }

    /// From names and values.
    public init(_ fields: [(name: String, value: String)]) { self.fields = fields }

    /// Adds a field at the end.
    public mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }

    /// The field's only value. A field that occurs more than once is ambiguous and counts as absent.
    public subscript(name: String) -> String? {
        let values = all(name)
        return values.count == 1 ? values[0] : nil
    }

    /// Every value of the field in order.
    public func all(_ name: String) -> [String] {
        let wanted = name.lowercased()
        return fields.filter { $0.name.lowercased() == wanted }.map(\.value)
    }
}
