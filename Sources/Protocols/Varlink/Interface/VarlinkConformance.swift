import StrictJSON

/// Checks values against a description. Mainly for tests: a service's replies and a client's calls can be checked
/// against their common contract.
extension VarlinkInterface {
    /// Checks the members of an object against fields of this interface.
    /// - Throws: `JSONError`: an undescribed member, a missing one that is not nullable, a wrong type, or a value
    ///   that is not in the enumeration. The error names the member.
    public func check(_ object: JSONObject, against fields: [VarlinkField]) throws(JSONError) {
        try object.finish(known: fields.map(\.name))
        for field in fields {
            if case .nullable(let type) = field.type {
                if let value = object.optional(field.name) { try check(value, type, field.name) }
            } else {
                try check(object.required(field.name), field.type, field.name)
            }
        }
    }

    private func check(_ value: JSONValue, _ type: VarlinkType, _ member: String) throws(JSONError) {
        switch type {
        case .bool: _ = try value.bool(member)
        case .int: _ = try value.integer(member)
        case .float: _ = try value.double(member)
        case .string: _ = try value.utf8(member)
        case .object: _ = try value.object(member)
        case .any: break
        case .named(let name):
            guard let named = self.type(named: name) else { throw JSONError(.invalidValue, offset: value.offset, member: member) }
            try check(value, named.type, member)
        case .nullable(let type):
            if !value.isNull { try check(value, type, member) }
        case .array(let type):
            for element in try value.array(member) { try check(element, type, member) }
        case .dictionary(let type):
            for entry in try value.object(member) { try check(entry.value, type, member) }
        case .structure(let fields): try check(value.object(member), against: fields)
        case .enumeration(let values):
            let text = try value.utf8(member)
            guard values.contains(where: { $0.utf8.elementsEqual(text) }) else {
                throw JSONError(.invalidValue, offset: value.offset, member: member)
            }
        }
    }
}
