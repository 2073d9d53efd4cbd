/// Punycode (RFC 3492), to make and check A-labels: one must decode, and encode to the same letters again (RFC 5891
/// §5.4).
enum Punycode {
    private static let base: UInt32 = 36
    private static let thresholdMinimum: UInt32 = 1
    private static let thresholdMaximum: UInt32 = 26
    private static let skew: UInt32 = 38
    private static let damp: UInt32 = 700
    private static let initialBias: UInt32 = 72
    private static let initialValue: UInt32 = 0x80

    /// Whether the letters after `xn--` are the only encoding of a label that has at least one scalar beyond ASCII and
    /// none that no script uses: controls, spaces, directional marks, unassigned scalars. The CA decides what else IDNA
    /// forbids.
    static func isCanonicalALabel(_ text: ArraySlice<UInt8>) -> Bool {
        guard let scalars = decode(text), scalars.contains(where: { $0.value >= 0x80 }),
            scalars.allSatisfy({ TerminalText.isSafe($0) && !$0.properties.isWhitespace || $0.properties.isJoinControl })
        else { return false }
        return encode(scalars).map { $0.elementsEqual(text) } ?? false
    }

    /// RFC 3492 §6.2, with its overflow checks. The input must be lower case.
    static func decode(_ text: ArraySlice<UInt8>) -> [Unicode.Scalar]? {
        var output: [Unicode.Scalar] = []
        var rest = text
        if let delimiter = text.lastIndex(of: UInt8(ascii: "-")) {
            output = text[..<delimiter].map { Unicode.Scalar($0) }
            rest = text[(delimiter + 1)...]
        }
        var value = initialValue
        var index: UInt32 = 0
        var bias = initialBias
        while !rest.isEmpty {
            let old = index
            var weight: UInt32 = 1
            var position = base
            while true {
                guard let letter = rest.popFirst(), let digit = digit(letter) else { return nil }
                let (product, overflow) = digit.multipliedReportingOverflow(by: weight)
                let (sum, overflowToo) = index.addingReportingOverflow(product)
                guard !overflow, !overflowToo else { return nil }
                index = sum
                let threshold = threshold(position, bias)
                if digit < threshold { break }
                let (next, overflowAgain) = weight.multipliedReportingOverflow(by: base - threshold)
                guard !overflowAgain else { return nil }
                weight = next
                position += base
            }
            let count = UInt32(output.count) + 1
            bias = adapt(index - old, count, isFirst: old == 0)
            let (next, overflow) = value.addingReportingOverflow(index / count)
            guard !overflow, let scalar = Unicode.Scalar(next) else { return nil }
            value = next
            index %= count
            output.insert(scalar, at: Int(index))
            index += 1
        }
        return output
    }

    /// RFC 3492 §6.3. `nil` if there are more scalars than letters in a label; this also bounds every sum below.
    static func encode(_ scalars: [Unicode.Scalar]) -> [UInt8]? {
        guard scalars.count <= DNSName.maximumLabelLength else { return nil }
        var output = scalars.filter { $0.value < 0x80 }.map { UInt8(truncatingIfNeeded: $0.value) }
        let basic = UInt32(output.count)
        if basic > 0 { output.append(UInt8(ascii: "-")) }
        var value = initialValue
        var delta: UInt32 = 0
        var bias = initialBias
        var handled = basic
        while handled < scalars.count {
            guard let next = scalars.lazy.map(\.value).filter({ $0 >= value }).min() else { return nil }
            let (product, overflow) = (next - value).multipliedReportingOverflow(by: handled + 1)
            let (sum, overflowToo) = delta.addingReportingOverflow(product)
            guard !overflow, !overflowToo else { return nil }
            delta = sum
            value = next
            for scalar in scalars {
                if scalar.value < value {
                    let (more, overflow) = delta.addingReportingOverflow(1)
                    guard !overflow else { return nil }
                    delta = more
                }
                guard scalar.value == value else { continue }
                var rest = delta
                var position = base
                while true {
                    let threshold = threshold(position, bias)
                    if rest < threshold { break }
                    output.append(letter(threshold + (rest - threshold) % (base - threshold)))
                    rest = (rest - threshold) / (base - threshold)
                    position += base
                }
                output.append(letter(rest))
                bias = adapt(delta, handled + 1, isFirst: handled == basic)
                delta = 0
                handled += 1
            }
            delta += 1
            value += 1
        }
        return output
    }

    /// RFC 3492 §6.1.
    private static func adapt(_ delta: UInt32, _ count: UInt32, isFirst: Bool) -> UInt32 {
        var delta = isFirst ? delta / damp : delta / 2
        delta += delta / count
        var position: UInt32 = 0
        while delta > (base - thresholdMinimum) * thresholdMaximum / 2 {
            delta /= base - thresholdMinimum
            position += base
        }
        return position + (base - thresholdMinimum + 1) * delta / (delta + skew)
    }

    private static func threshold(_ position: UInt32, _ bias: UInt32) -> UInt32 {
        if position <= bias { return thresholdMinimum }
        return min(max(position - bias, thresholdMinimum), thresholdMaximum)
    }

    private static func digit(_ letter: UInt8) -> UInt32? {
        switch letter {
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(letter - UInt8(ascii: "a"))
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(letter - UInt8(ascii: "0")) + 26
        default: nil
        }
    }

    private static func letter(_ digit: UInt32) -> UInt8 {
        let digit = UInt8(truncatingIfNeeded: digit)
        return digit < 26 ? UInt8(ascii: "a") + digit : UInt8(ascii: "0") + digit - 26
    }
}
