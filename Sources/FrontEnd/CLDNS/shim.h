#pragma once
// Otherwise common.h makes bool a char.
#include <stdbool.h>
#include <ldns/dname.h>
#include <ldns/packet.h>
#include <ldns/rbtree.h>
#include <ldns/wire2host.h>
// Uses the types of rbtree.h without including it.
#include <ldns/host2wire.h>
