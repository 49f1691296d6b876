# cloze::cloze brings include paths, libraries and CLOZE_WITH_… for the optional ones; flags, other definitions and warnings
# are the user's own.
foreach(property IN ITEMS INTERFACE_COMPILE_OPTIONS INTERFACE_COMPILE_DEFINITIONS INTERFACE_LINK_OPTIONS)
  get_target_property(value cloze::cloze ${property})
  if(value)
    list(FILTER value EXCLUDE REGEX "^CLOZE_WITH_[A-Z0-9]+$")
  endif()
  if(value)
    message(FATAL_ERROR "cloze::cloze sets ${property} to '${value}' for its users")
  endif()
endforeach()
