/* address_room.h - what the files of src/address share. */
#ifndef ADDRESS_ROOM_H
#define ADDRESS_ROOM_H
#include <postrider/address.h>

bool	is_special(int c);		/* separates tokens: | % ! ( ) < > @ , ; : \ " . [ ] */
#endif
