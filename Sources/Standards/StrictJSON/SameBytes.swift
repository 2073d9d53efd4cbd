/// Whether two runs of bytes are the same. For hot paths: `elementsEqual` asks a slice for one element after another.
package func areSame(_ one: UnsafeBufferPointer<UInt8>, _ other: UnsafeBufferPointer<UInt8>) -> Bool {
    one.count == other.count && one.elementsEqual(other)
}

extension ArraySlice<UInt8> {
    /// Whether these bytes are the same as the other's.
    package func isSame(as other: [UInt8]) -> Bool {
        count == other.count && withUnsafeBufferPointer { own in other.withUnsafeBufferPointer { areSame(own, $0) } }
    }
}
